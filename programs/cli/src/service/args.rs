//! The command line of `linkspan service`: every command with its help and its examples.

use clap::{ArgGroup, Args, Subcommand};

use super::connection::QueryArgs;

/// The queries and commands for services.
#[derive(Subcommand, Debug)]
pub enum ServiceCommand {
    /// List the services: states, current work, problems
    #[command(
        after_help = "VIEW is the state of the service's connection to the controller: CONNECTED, STALE (no message for too long), DISCONNECTED, GONE. BUSY is the time since the service's current work began.

Examples:
  linkspan service ls
  linkspan service ls --json | jq -r 'select(.state == \"FAILED\") | .name'"
    )]
    Ls(QueryArgs),

    /// Print the controller's record of a service
    #[command(after_help = "Examples:
  linkspan service status power
  linkspan service status power --json | jq .busy")]
    Status(ServiceArgs),

    /// Print the current data of a service, without changing anything
    #[command(
        after_help = "During a long step of the service, the command waits until shortly before the time-out, and then prints the controller's newest data.

Examples:
  linkspan service get power
  linkspan service get power --json --timeout 2 | jq .watts"
    )]
    Get(ServiceArgs),

    /// Pause services: they finish their step, checkpoint, close their databases and files, and wait
    #[command(
        after_help = "Ends when every service has accepted the command; with --wait when every service is PAUSED. The exit code is the highest of all services: 1 (refused or failed), 3 (timed out), 4 (not found).

Examples:
  linkspan service pause power --wait && cp power.db /backup/
  linkspan service pause --all --wait --timeout 60"
    )]
    Pause(CommandArgs),

    /// Resume services; with -- PROGRAM: run any program as a service
    #[command(
        after_help = "Put `--` before a program without Linkspan to run it as a service. The controller pauses, resumes and ends it with signals, or with the commands in the options. `linkspan service run --help -- PROGRAM` prints those options.

Examples:
  linkspan service run power --wait
  linkspan service run --all
  linkspan service run --name camera -- ./grab-frames --rate 10"
    )]
    Run(RunArgs),

    /// Checkpoint services: they finish their step, checkpoint, and continue
    #[command(after_help = "Examples:
  linkspan service checkpoint power --wait
  linkspan service checkpoint --all --wait --json")]
    Checkpoint(CommandArgs),

    /// Shut services down: they checkpoint, close, and end; a second shutdown cancels the current work
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

    /// Print changes as they happen: states, problems, connections; with --data the data too
    #[command(after_help = "Examples:
  linkspan service watch
  linkspan service watch power --data 5 --json | jq 'select(.what == \"data\") | .value'")]
    Watch(WatchArgs),

    /// Print the address of the page that `linkspan controller --http` serves here, with its token
    #[command(
        after_help = "The address contains the token of the page. Every user with the token can see and command the services.

Examples:
  linkspan service page
  xdg-open \"$(linkspan service page)\""
    )]
    Page,

    /// Have a service back up its data, and print its reply
    #[command(
        after_help = "The service defines the meaning of the value; the data logger of the examples takes the path of the copy. `linkspan service describe NAME` shows whether a service supports BACKUP.

Examples:
  linkspan service backup power '{\"path\": \"/backup/power.db\"}'
  linkspan service backup power '{\"path\": \"/backup/power.db\"}' --timeout 600"
    )]
    Backup(ValueArgs),

    /// Print the settings of a service, or change them
    #[command(
        after_help = "The service defines its settings. `linkspan service describe NAME` shows whether it supports CONFIG. Without a value the command prints the settings. A program under `linkspan service run -- PROGRAM` takes its settings from the command line.

Examples:
  linkspan service config power
  linkspan service config power '{\"gain\": 0.5}'"
    )]
    Config(ValueArgs),

    /// Cancel a command that is in progress, or without an ID the current work of a service
    #[command(after_help = "The output of --json has the ID of a command.

Examples:
  linkspan service cancel power
  linkspan service cancel power 5f0c9a31")]
    Cancel(CancelArgs),

    /// Send a command to a service, and print its reply
    #[command(after_help = "`linkspan service describe NAME` lists the supported commands.

Examples:
  linkspan service call power calibrate '{\"volts\": 230.0}'
  linkspan service call power STATUS --json")]
    Call(CallArgs),

    /// Print the description of a service and its commands
    #[command(after_help = "Examples:
  linkspan service describe power
  linkspan service describe power --json")]
    Describe(ServiceArgs),

    /// Print the counters of a service, or of the controller
    #[command(after_help = "Examples:
  linkspan service stats power
  linkspan service stats --json")]
    Stats(StatsArgs),

    /// Remove disconnected services from the controller's list
    #[command(after_help = "Examples:
  linkspan service forget old-camera
  linkspan service ls && linkspan service forget old-camera")]
    Forget(ForgetArgs),
}

/// A query of one service.
#[derive(Args, Debug)]
pub struct ServiceArgs {
    /// The service
    pub name: String,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// A query with arguments.
#[derive(Args, Debug)]
pub struct ValueArgs {
    /// The service
    pub name: String,
    /// The arguments of the command, as JSON; - reads them from standard input
    pub value: Option<String>,
    /// The connection, and the form of the output.
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
    /// The arguments of the command, as JSON; - reads them from standard input
    pub value: Option<String>,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// A command for one service or several.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("who").args(["names", "all"]).required(true)))]
pub struct CommandArgs {
    /// The services, and the form of the output.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// The services that a command is for.
#[derive(Args, Debug)]
pub struct TargetArgs {
    /// The services
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All services whose state allows the command; the others are named on standard error
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Wait until the command is done
    #[arg(long)]
    pub wait: bool,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service run`
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("who").args(["names", "all"]).required(true)))]
pub struct RunArgs {
    /// The services to resume.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// `linkspan service cancel`
#[derive(Args, Debug)]
pub struct CancelArgs {
    /// The service
    pub name: String,
    /// The ID of the command to cancel
    pub id: Option<String>,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service stats`
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// The service; default: the controller itself
    pub name: Option<String>,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service forget`
#[derive(Args, Debug)]
pub struct ForgetArgs {
    /// The services
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service logs`
#[derive(Args, Debug)]
pub struct LogsArgs {
    /// The service; default: all
    pub name: Option<String>,
    /// Print this many of the last lines
    #[arg(long, value_name = "N", default_value = "100")]
    pub lines: usize,
    /// Continue to print lines as they are logged
    #[arg(long, short)]
    pub follow: bool,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `linkspan service watch`
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// The services; default: all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Get the data at this interval, and print it too
    #[arg(long, value_name = "SECONDS", value_parser = crate::quantity::interval)]
    pub data: Option<std::time::Duration>,
    /// The connection, and the form of the output.
    #[command(flatten)]
    pub query: QueryArgs,
}
