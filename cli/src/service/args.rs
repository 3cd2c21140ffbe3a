//! The command line of `linkspan service`: every command with its help and its examples.

use clap::{ArgGroup, Args, Subcommand};

use super::connection::QueryArgs;

/// What is to be asked, or told.
#[derive(Subcommand, Debug)]
pub enum ServiceCommand {
    /// List the services: their states, what they do, what is wrong with them
    #[command(
        after_help = "VIEW is how well the controller knows the service: CONNECTED, STALE (silent for too long), DISCONNECTED, GONE. BUSY is how long it has been at what it does now.

Examples:
  linkspan service ls
  linkspan service ls --json | jq -r 'select(.state == \"FAILED\") | .name'"
    )]
    Ls(QueryArgs),

    /// Print all that the controller knows of a service
    #[command(after_help = "Examples:
  linkspan service status power
  linkspan service status power --json | jq .busy")]
    Status(ServiceArgs),

    /// Print the data of a service; changes nothing
    #[command(
        after_help = "While a step takes long, the newest data that is known is printed when the time is nearly over.

Examples:
  linkspan service get power
  linkspan service get power --json --timeout 2 | jq .watts"
    )]
    Get(ServiceArgs),

    /// Have services finish their step, checkpoint, close their databases and files, and wait
    #[command(
        after_help = "Ends when each has accepted; with --wait when each is PAUSED. Ends with the highest of 1 where one refused or failed, 3 where its time passed, 4 where it is not there.

Examples:
  linkspan service pause power --wait && cp power.db /backup/
  linkspan service pause --all --wait --timeout 60"
    )]
    Pause(CommandArgs),

    /// Have services open again and go on; with -- PROGRAM: run any program as a service
    #[command(
        after_help = "A program that knows nothing of Linkspan is run with `--` in front of it; the controller then pauses, runs and ends it by signals, or by commands that are given. `linkspan service run --help -- PROGRAM` prints the options for that.

Examples:
  linkspan service run power --wait
  linkspan service run --all
  linkspan service run --name camera -- ./grab-frames --rate 10"
    )]
    Run(RunArgs),

    /// Have services stand still, checkpoint, and go on
    #[command(after_help = "Examples:
  linkspan service checkpoint power --wait
  linkspan service checkpoint --all --wait --json")]
    Checkpoint(CommandArgs),

    /// Have services checkpoint, close, and end; a second time gives up what is under way
    #[command(after_help = "Examples:
  linkspan service shutdown power --wait
  linkspan service shutdown --all --wait --timeout 60")]
    Shutdown(CommandArgs),

    /// Print the log of one service, or of the controller and all of them
    #[command(after_help = "Examples:
  linkspan service logs
  linkspan service logs power --lines 20
  linkspan service logs power --follow --json | jq -r .text")]
    Logs(LogsArgs),

    /// Print what changes: states, what goes wrong, who comes and goes; with --data the data as well
    #[command(after_help = "Examples:
  linkspan service watch
  linkspan service watch power --data 5 --json | jq 'select(.what == \"data\") | .value'")]
    Watch(WatchArgs),

    /// Print the address of the page that `linkspan controller --http` serves here, with its token
    #[command(after_help = "Whoever knows the address may see and command the services, and nobody else can.

Examples:
  xdg-open \"$(linkspan service page)\"")]
    Page,

    /// Have a service write a copy of what it keeps, and print what it answers
    #[command(
        after_help = "What the value means is the service's own affair. `linkspan service describe NAME` says whether it takes BACKUP; the data logger of the examples takes the path of the copy.

Examples:
  linkspan service backup power '{\"path\": \"/backup/power.db\"}'"
    )]
    Backup(ValueArgs),

    /// Print the settings of a service, or change them
    #[command(after_help = "Examples:
  linkspan service config power
  linkspan service config power '{\"every\": 0.5}'")]
    Config(ValueArgs),

    /// Give up a command that is under way, or with no ID whatever a service does now
    #[command(after_help = "A command's ID is printed by --json.

Examples:
  linkspan service cancel power
  linkspan service cancel power 5f0c9a31")]
    Cancel(CancelArgs),

    /// Send a service a command of its own, and print what it answers
    #[command(after_help = "`linkspan service describe NAME` says which commands it takes.

Examples:
  linkspan service call power calibrate '{\"volts\": 230.0}'
  linkspan service call power STATUS --json")]
    Call(CallArgs),

    /// Print what a service is and which commands it takes
    #[command(after_help = "Examples:
  linkspan service describe power")]
    Describe(ServiceArgs),

    /// Print the counters of a service, or of the controller
    #[command(after_help = "Examples:
  linkspan service stats power
  linkspan service stats --json")]
    Stats(StatsArgs),

    /// Have the controller forget services that are not connected
    #[command(after_help = "Examples:
  linkspan service forget old-camera")]
    Forget(ForgetArgs),
}

/// A question to one service.
#[derive(Args, Debug)]
pub struct ServiceArgs {
    /// The service
    pub name: String,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// A question with something to go by.
#[derive(Args, Debug)]
pub struct ValueArgs {
    /// The service
    pub name: String,
    /// What it is to be done with, as JSON; - reads it from standard input
    pub value: Option<String>,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service call`
#[derive(Args, Debug)]
pub struct CallArgs {
    /// The service
    pub name: String,
    /// The command
    pub verb: String,
    /// What it is to be done with, as JSON; - reads it from standard input
    pub value: Option<String>,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// An order to one or many.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("who").args(["names", "all"]).required(true)))]
pub struct CommandArgs {
    /// Which, and how.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Whom an order is for.
#[derive(Args, Debug)]
pub struct TargetArgs {
    /// The services
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All whose state allows it; the others are named on standard error
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Wait until it is done
    #[arg(long)]
    pub wait: bool,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service run`
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("who").args(["names", "all"]).required(true)))]
pub struct RunArgs {
    /// Which services are to go on.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// `linkspan service cancel`
#[derive(Args, Debug)]
pub struct CancelArgs {
    /// The service
    pub name: String,
    /// The command that is to be given up
    pub id: Option<String>,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service stats`
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// The service; left out, the controller itself
    pub name: Option<String>,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service forget`
#[derive(Args, Debug)]
pub struct ForgetArgs {
    /// The services
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service logs`
#[derive(Args, Debug)]
pub struct LogsArgs {
    /// The service; left out, all
    pub name: Option<String>,
    /// Print the last so many lines
    #[arg(long, value_name = "N", default_value = "100")]
    pub lines: usize,
    /// Stay, and print what is logged from now on
    #[arg(long, short)]
    pub follow: bool,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service watch`
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// The services; left out, all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Ask for the data so often, and print it too
    #[arg(long, value_name = "SECONDS", value_parser = crate::args::interval)]
    pub data: Option<std::time::Duration>,
    /// The connection, and the form of the answer.
    #[command(flatten)]
    pub query: QueryArgs,
}
