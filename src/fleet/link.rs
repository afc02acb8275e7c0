//! One connection to the store, or to each server of its cluster; every wait of it has an end.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo as _, Pipeline, RedisError, RedisResult,
    TlsCertificates, Value,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::settings::{FleetError, Settings};

/// Connecting takes at most so long, the greeting with its password included.
const CONNECT_MS_MAX: Duration = Duration::from_secs(1);
/// Times that one request is sent to another server of a cluster.
const CLUSTER_RETRIES: u32 = 3;

/// Commands about one key of the ledger, which a cluster has in one place.
pub(super) type Commands = Vec<Cmd>;

/// Where the store is.
pub(super) enum Server {
    One(Box<Client>),
    Many(Box<ClusterClient>),
}

/// An open connection; clones share it.
#[derive(Clone)]
pub(super) enum Link {
    One(MultiplexedConnection),
    Many(ClusterConnection),
}

/// Why commands were not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not in time.
    Late,
    /// The connection broke, or the server answers nobody now.
    Down(String),
    /// The key is on its way from one server of a cluster to another, and nothing was done.
    Moving,
    /// What is under a name is of another kind: someone else's.
    Foreign,
}

impl Server {
    /// What `settings` name; nothing is connected yet.
    pub(super) fn new(
        settings: &Settings,
        read: &dyn Fn(&std::path::Path) -> std::io::Result<Vec<u8>>,
    ) -> Result<Self, FleetError> {
        let wrong = |error: RedisError| FleetError::Settings(format!("`url`: {error}"));
        let file = |path: &std::path::Path| {
            read(path).map_err(|error| FleetError::Settings(format!("{}: {error}", path.display())))
        };
        let password = settings.password_file.as_deref().map(file).transpose()?;
        let password = password.map(String::from_utf8).transpose();
        let password = password.map_err(|_| FleetError::Settings("`password_file` is no text".to_owned()))?;
        let root_cert = settings.ca.as_deref().map(file).transpose()?;
        let mut infos: Vec<ConnectionInfo> = Vec::new();
        for url in &settings.url {
            let info = url.as_str().into_connection_info().map_err(wrong)?;
            // Its name is nobody's business there, and a right more to give.
            let mut redis = info.redis_settings().clone().set_skip_set_lib_name();
            if let Some(password) = &password {
                redis = redis.set_password(password.trim_end_matches(['\r', '\n']));
            }
            let info = info.set_redis_settings(redis);
            infos.push(info);
        }
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert,
        };
        let is_tls = settings.url.iter().any(|url| url.starts_with("rediss://"));
        if settings.cluster {
            let mut cluster = ClusterClientBuilder::new(infos)
                .retries(CLUSTER_RETRIES)
                .connection_timeout(CONNECT_MS_MAX);
            if is_tls {
                cluster = cluster.certs(certificates);
            }
            return cluster
                .build()
                .map(|client| Self::Many(Box::new(client)))
                .map_err(wrong);
        }
        let info = infos.into_iter().next();
        let info = info.ok_or_else(|| FleetError::Settings("`url` is missing".to_owned()))?;
        let client = if is_tls {
            Client::build_with_tls(info, certificates)
        } else {
            Client::open(info)
        };
        client.map(|client| Self::One(Box::new(client))).map_err(wrong)
    }

    pub(super) async fn connect(&self) -> Result<Link, Fault> {
        let connecting = async {
            match self {
                Self::One(client) => {
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(None)
                        .set_response_timeout(None);
                    let connection = client.get_multiplexed_async_connection_with_config(&config);
                    Ok(Link::One(connection.await?))
                }
                Self::Many(client) => Ok(Link::Many(client.get_async_connection().await?)),
            }
        };
        let connected = timeout(CONNECT_MS_MAX, connecting).await.map_err(|_| Fault::Late)?;
        connected.map_err(|error: RedisError| Fault::of(&error))
    }
}

impl Link {
    /// All `groups` at once: for each the answers to its commands, or why there are none.
    pub(super) async fn ask(&self, groups: Vec<Commands>, within: Duration) -> Vec<Result<Vec<Value>, Fault>> {
        match self {
            Self::One(connection) => ask_one(connection.clone(), groups, within).await,
            Self::Many(connection) => {
                let asked = groups
                    .into_iter()
                    .map(|group| one_by_one(connection.clone(), group, within));
                all(asked).await
            }
        }
    }

    /// Each of `groups` as one transaction.
    pub(super) async fn transact(&self, groups: Vec<Commands>, within: Duration) -> Vec<Result<Vec<Value>, Fault>> {
        let pipelines = groups.into_iter().map(|group| pipeline(group, true));
        match self {
            Self::One(connection) => ask_each(connection, pipelines, within).await,
            Self::Many(connection) => ask_each(connection, pipelines, within).await,
        }
    }
}

/// One round trip for all groups; a fault of one of them is its own.
async fn ask_one(
    mut connection: MultiplexedConnection,
    groups: Vec<Commands>,
    within: Duration,
) -> Vec<Result<Vec<Value>, Fault>> {
    let lengths: Vec<usize> = groups.iter().map(Vec::len).collect();
    // The client takes a pipeline of nothing for a fault.
    if lengths.iter().all(|length| *length == 0) {
        return vec![Ok(Vec::new()); lengths.len()];
    }
    let mut all = pipeline(groups.into_iter().flatten().collect(), false);
    all.ignore_errors();
    let asked = timeout(within, all.query_async::<Vec<RedisResult<Value>>>(&mut connection));
    let mut answers = match asked.await {
        Err(_) => return vec![Err(Fault::Late); lengths.len()],
        Ok(Err(error)) => return vec![Err(Fault::of(&error)); lengths.len()],
        Ok(Ok(answers)) => answers.into_iter(),
    };
    let groups = lengths.into_iter().map(|length| {
        let answers: Vec<_> = answers.by_ref().take(length).collect();
        answers.into_iter().collect::<RedisResult<Vec<Value>>>()
    });
    groups.map(|group| group.map_err(|error| Fault::of(&error))).collect()
}

/// One command after another: while a slot moves, each is answered where its own key is. In a pipeline a key that is missing
/// would send all others after it, and make them anew in the wrong place.
async fn one_by_one(
    mut connection: ClusterConnection,
    commands: Commands,
    within: Duration,
) -> Result<Vec<Value>, Fault> {
    let asked = async {
        let mut values = Vec::with_capacity(commands.len());
        for command in commands {
            values.push(command.query_async::<Value>(&mut connection).await?);
        }
        Ok(values)
    };
    let answer = timeout(within, asked).await.map_err(|_| Fault::Late)?;
    answer.map_err(|error: RedisError| Fault::of(&error))
}

/// All pipelines at the same time.
async fn ask_each<C>(
    connection: &C,
    pipelines: impl Iterator<Item = Pipeline>,
    within: Duration,
) -> Vec<Result<Vec<Value>, Fault>>
where
    C: redis::aio::ConnectionLike + Clone + Send + 'static,
{
    let asked = pipelines.map(|pipeline| {
        let mut connection = connection.clone();
        async move {
            let answer = timeout(within, pipeline.query_async::<Vec<Value>>(&mut connection)).await;
            let answer = answer.map_err(|_| Fault::Late)?;
            answer.map_err(|error| Fault::of(&error))
        }
    });
    all(asked).await
}

/// All of them at the same time; the answers in their order.
async fn all<T: Send + 'static>(asked: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let mut running = JoinSet::new();
    for (number, one) in asked.enumerate() {
        running.spawn(async move { (number, one.await) });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn pipeline(commands: Commands, is_atomic: bool) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    if is_atomic {
        pipeline.atomic();
    }
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

impl Fault {
    fn of(error: &RedisError) -> Self {
        // Of a transaction each command has an error of its own, and the whole has no code.
        let of_commands = error.clone().into_server_errors();
        let mut of_commands = of_commands.iter().flat_map(|errors| errors.iter());
        if error.code() == Some("WRONGTYPE") || of_commands.any(|(_, one)| one.code() == "WRONGTYPE") {
            return Self::Foreign;
        }
        if error.code() == Some("EXECABORT") {
            return Self::Moving;
        }
        if error.is_timeout() {
            return Self::Late;
        }
        // The text may quote what was sent: the code and the kind name enough.
        let code = error.code().unwrap_or_else(|| error.category());
        Self::Down(code.to_owned())
    }

    /// Whether the store as a whole does not answer.
    pub(super) fn is_of_link(&self) -> bool {
        match self {
            Self::Late | Self::Down(_) | Self::Moving => true,
            Self::Foreign => false,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Late => f.write_str("it does not answer in time"),
            Self::Down(code) => write!(f, "{code}"),
            Self::Moving => f.write_str("EXECABORT"),
            Self::Foreign => f.write_str("WRONGTYPE"),
        }
    }
}
