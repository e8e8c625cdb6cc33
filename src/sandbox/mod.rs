//! The rehearsal clouds: servers on loopback that speak the clouds' own protocols, strictly, on a virtual clock.
//!
//! Nothing but `env.rs` and `cli/sandbox.rs` imports this room, and no provider knows it exists.
//!
//! Shapes for those who write services:
//! - An object of a cloud is a [`world::Object`], declared by a [`world::Kind`] (`const VPC: Kind = Kind::new("ec2", "vpc")`),
//!   living in a [`world::Scope`] (account and region; [`world::Scope::GLOBAL`] for IAM). Its own fields go into `doc`
//!   (`object.set/text`, or a serde type through `object.read/write`), tags, state, parent and usage into the object.
//! - All access goes through a [`world::Tx`]: `get/live` by id (tombstones included or not), `list/list_live/search`
//!   (`search` does not see what is younger than the read lag: set `visible_at = Some(tx.read_lag())` at creation),
//!   `put/update/remove/bury`, `id("vpc")`, `hex`, `letters`, `uuid`, `between`, `now()` (virtual), `settings()`.
//!   `iter` items borrow the tx: collect or clone before changing.
//! - A service is an [`aws::Service`]: `call(&mut CallCx) -> Result<Reply, ApiError>`; an error undoes the call's changes.
//!   Parameters of query calls: [`aws::Params`] (`get/require/flag/number/list/groups/group/filters`); whatever the call
//!   did not look at is refused as unknown. JSON bodies: `cx.json::<T>(code)` with `deny_unknown_fields`.
//!   Replies: [`aws::Xml`] (members only; the envelope is the protocol's) or a JSON value.
//! - What happens later: `object.due = Some(Due { at, what })`; at that virtual time [`aws::Service::due`] is called.
//! - Mutating is decided by the operation's name ([`aws::is_mutating`]) and `DryRun=true`.

pub mod aws;
pub mod clock;
pub mod faults;
pub mod world;
