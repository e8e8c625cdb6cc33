//! What a `.env` file says reaches the cloud's client: below the environment, above the shared files, beside no profile
//! that flag or environment name.

use crate::support::{Home, served::Served};
use kubewright::sandbox::aws::sts;

const KEYS: &str = "111111111111";
const TEAM: &str = "222222222222";
const ENVIRONMENT: &str = "333333333333";

struct Desk {
    served: Served,
    home: Home,
}

impl Desk {
    /// Nothing of the clouds in the environment; a shared file with one profile, off the beaten track.
    fn new() -> Self {
        let (served, home) = (Served::start(""), Home::new());
        let (id, secret) = sts::permanent_keys(TEAM);
        home.write(
            "shared",
            &format!(
                "[profile team]\nregion = eu-central-1\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
            ),
        );
        Self { served, home }
    }

    /// Account and region that a plan is made for.
    fn place(&self, dotenv: &[(&str, &str)], environment: &[(&str, &str)], flags: &[&str]) -> (String, String) {
        let url = self.served.export("AWS_ENDPOINT_URL");
        let lines: String = dotenv.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        self.home.write("team.env", &lines);
        let mut command = self.home.command();
        command.args(["provision", "demo", "--provider", "aws", "--dry-run", "-o", "json", "--dotenv", "team.env"]);
        command.args(flags).envs(environment.iter().copied()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ENDPOINT_URL", url);
        let said = command.output().unwrap();
        let (out, err) = (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
        let doc: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}\n{err}"));
        let text = |key: &str| doc["stack"][key].as_str().unwrap_or_else(|| panic!("{out}\n{err}")).to_owned();
        (text("account"), text("region"))
    }

    fn is(&self, dotenv: &[(&str, &str)], environment: &[(&str, &str)], flags: &[&str], wanted: (&str, &str)) {
        let (account, region) = self.place(dotenv, environment, flags);
        assert_eq!((account.as_str(), region.as_str()), wanted, "{dotenv:?} under {environment:?} and {flags:?}");
    }
}

#[test]
fn dotenv_reaches_the_clients_in_its_place() {
    let desk = Desk::new();
    let shared = desk.home.path().join("shared");
    let shared = ("AWS_CONFIG_FILE", shared.to_str().unwrap());
    let (id, secret) = sts::permanent_keys(KEYS);
    let keys = [("AWS_ACCESS_KEY_ID", id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret.as_str())];
    let (id, secret) = sts::permanent_keys(ENVIRONMENT);
    let environment = [("AWS_ACCESS_KEY_ID", id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret.as_str())];
    let region = ("AWS_REGION", "eu-west-1");

    desk.is(&[keys[0], keys[1], region], &[], &[], (KEYS, "eu-west-1"));
    desk.is(&[keys[0], keys[1], ("AWS_DEFAULT_REGION", "eu-west-1")], &[], &[], (KEYS, "eu-west-1"));
    // A profile, from a shared file that `.env` moved: its keys and its region, unless `.env` has another.
    desk.is(&[("AWS_PROFILE", "team"), shared], &[], &[], (TEAM, "eu-central-1"));
    desk.is(&[("AWS_PROFILE", "team"), shared, region], &[], &[], (TEAM, "eu-west-1"));
    // Above it: the environment, then the flags.
    desk.is(&[("AWS_PROFILE", "team"), shared, region], &environment, &[], (ENVIRONMENT, "eu-west-1"));
    let elsewhere = ("AWS_DEFAULT_REGION", "us-west-2");
    desk.is(&[keys[0], keys[1], region], &[elsewhere], &[], (KEYS, "us-west-2"));
    desk.is(&[keys[0], keys[1], region], &[elsewhere], &["--region", "us-east-2"], (KEYS, "us-east-2"));
    // A profile named by a flag counts before keys of the environment and of `.env`.
    let profile = ["--profile", "team"];
    desk.is(&[keys[0], keys[1], region], &[shared], &profile, (TEAM, "eu-central-1"));
    desk.is(&[], &[environment[0], environment[1], shared], &profile, (TEAM, "eu-central-1"));
}
