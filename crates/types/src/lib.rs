//! The words of Squall as types: names, ids, limits, what an invocation is and
//! what comes out of it. No I/O and no async runtime live here; every other
//! crate may depend on this one.

pub mod arn;
pub mod events;
pub mod function;
pub mod glob;
pub mod invoke;
pub mod limits;
pub mod names;
pub mod object;
pub mod table;
pub mod tally;
pub mod time;

pub use arn::{FunctionRef, LayerVersionArn, Scope};
pub use events::{BusName, GroupName, RuleName, ScheduleName, TargetId};
pub use function::{
    Architecture, CodeRef, FunctionVersion, InstanceOptions, LayerRef, NetworkMode,
    RESERVED_VARIABLES, Runtime, SnapStart, StartMode, TracingMode, VersionKey, VpcConfig,
};
pub use invoke::{
    FunctionError, FunctionErrorKind, Invocation, Invoke, InvokeError, Outcome, ThrottleReason,
};
pub use limits::Limits;
pub use names::{
    AccountId, AliasName, BadName, FunctionName, LayerName, Qualifier, Region, RequestId, Version,
};
pub use object::{BucketName, ObjectKey, VersionId};
pub use tally::{Tallied, Tally};
pub use time::Timestamp;
