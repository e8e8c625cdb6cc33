//! Where the shared files of AWS are, when a `.env` file moves one of them. A variable of the process is the SDK's own
//! business and never comes here.
#![expect(
    deprecated,
    reason = "aws-config takes these types and names them only here; their new home is a crate of its internals"
)]

use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};

/// The two files; the one that is not moved stays where it is. None when neither is moved.
pub fn moved(config: Option<&String>, credentials: Option<&String>) -> Option<ProfileFiles> {
    if config.is_none() && credentials.is_none() {
        return None;
    }
    let files = ProfileFiles::builder();
    let files = match config {
        Some(path) => files.with_file(ProfileFileKind::Config, path),
        None => files.include_default_config_file(true),
    };
    let files = match credentials {
        Some(path) => files.with_file(ProfileFileKind::Credentials, path),
        None => files.include_default_credentials_file(true),
    };
    Some(files.build())
}
