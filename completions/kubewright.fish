complete --keep-order --exclusive --command kubewright --arguments "(KUBEWRIGHT_COMPLETE=fish kubewright -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
