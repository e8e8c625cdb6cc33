//! `kubewright schema`: JSON Schemas for editors and scripts.

use crate::app::schema;
use crate::env::Env;
use crate::error::{CliError, Exit};
use clap::builder::PossibleValuesParser;

const AFTER: &str = "\
An editor with a YAML language server completes and checks cluster.yaml when its first line is
  # yaml-language-server: $schema=./cluster.schema.json
after `kubewright schema > cluster.schema.json`.";

/// Print the JSON Schema of cluster.yaml, or of a kind of document
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct SchemaArgs {
    /// Whose schema; `list` says what there is
    #[arg(value_name = "KIND", default_value = schema::CLUSTER, value_parser = PossibleValuesParser::new(schema::names()))]
    kind: String,
}

/// Runs the verb. No network, no state.
pub(super) fn run(env: &Env, args: &SchemaArgs) -> Result<Exit, CliError> {
    schema::run(env, &args.kind)
}
