
set edit:completion:arg-completer[kubewright] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) KUBEWRIGHT_COMPLETE="elvish" kubewright -- $@words) | to-lines
}

