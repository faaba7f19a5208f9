//! `freshet reprocess`.

mod reading;

use codecs::Codecs;
use jiff::Timestamp;
use payload::Origin;
use persist::{Persist, PersistError, PersistParts, ReadAgain};
use pipeline_config::Pipeline;
use runtime::{Clock, Failure, Prewarm};
use serde::Serialize;
use store::registry::prune::{self, Pruned};
use store::reprocess::{Changes, Options, Reread, Run, Span};
use store::{Client, Database, StoreError, Transaction, active_pipeline};

use self::reading::Reading;
use super::Done;
use crate::alert_difference::Gathered;
use crate::database;
use crate::difference::{self, Counts, Given, Line};
use crate::output::{self, Format, Row};
use crate::pace::Pace;
use crate::pipeline_file::{self, PipelineFile};
use crate::state_directory::StateDirectory;
use crate::words;

/// Read the requests of a source again, by the pipeline in force: mends what a wrong mapping has stored
#[derive(Debug, clap::Args)]
#[command(after_long_help = LONG)]
pub struct Args {
    /// The source
    #[arg(long)]
    source: String,
    /// Requests that were received at or after this, such as 30d or 2026-11-01
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Timestamp,
    /// Requests that were received before this, written like --from; now if not given
    #[arg(long, visible_alias = "until", value_name = "TIME", value_parser = words::time)]
    to: Option<Timestamp>,
    /// Only print what would change
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: how many lines at most
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// How many requests a second at most
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// What a request made before and does not make now stays
    #[arg(long)]
    keep_old: bool,
    /// Afterwards take away series that have no values any more, and devices of which nothing is left
    #[arg(long, conflicts_with_all = ["dry_run", "keep_old"])]
    prune: bool,
    /// Have rules look at what changes; alerts may begin, end or be retracted by that
    #[arg(long)]
    evaluate: bool,
    /// Go on where requests of the span are not kept any more
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    state: StateDirectory,
}

const LONG: &str = "\
A reading that is read again counts as received when its request was: what a sender has corrected since stays. Nobody is notified \
without --evaluate; --dry-run also prints which alerts would begin, end or be retracted with it. Live payloads, and a second run, may go \
on beside it. Requests that a topic keeps are read from Kafka: \
KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_* variables say where that of topic mode is. A receipt of a range of records counts as received \
when the first of them was.";

/// How often a transaction is tried that another one is in the way of.
const ATTEMPTS: u32 = 5;

/// Reads them again.
///
/// # Errors
/// Where the database or the pipeline cannot be asked, the pipeline is not the one in force, or requests are gone.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    // One to read, one to write, one to make devices.
    let settings = database::settings(&args.state)?.pool_size(3);
    let (database, now) = (Database::new(&settings), Clock::system().now());
    let client = database.client().await.map_err(|error| database::failed(&error))?;
    in_force(&client, &pipeline).await?;
    let span = Span { source: &args.source, from: args.from, to: args.to.unwrap_or(now) };
    pipeline_file::source(&pipeline, span.source)?;
    let (mut reading, known) = Reading::begin(&client, &pipeline, span).await?;
    known.tell(args.partial)?;
    let run = Run::new(database.clone(), span, (pipeline.hash_number(), now));
    let parts = PersistParts {
        pipeline: pipeline.clone(),
        codecs: Codecs::default(),
        database,
        prewarm: Prewarm::default(),
        stage: "reprocess",
    };
    let again = Again { args, client: &client, run, persist: Persist::new(parts) };
    again.run.find().await.map_err(|error| database::failed(&error))?;
    let done = if args.dry_run {
        again.dry(&mut reading, format).await
    } else {
        again.write(&mut reading, format).await
    };
    again.run.end().await.map_err(|error| database::failed(&error))?;
    done
}

/// What is read again must be what every process reads from now on.
async fn in_force(client: &Client, pipeline: &Pipeline) -> Result<(), Failure> {
    let hash = active_pipeline::hash(client).await.map_err(|error| database::failed(&error.into()))?;
    if hash.as_ref() == Some(&pipeline.hash) {
        return Ok(());
    }
    Err(Failure::new("the pipeline is not the one in force")
        .hint("`freshet activate` puts it in force, as an upgrade of the release does"))
}

/// A run over a span.
struct Again<'a> {
    args: &'a Args,
    client: &'a Client,
    run: Run<'a>,
    persist: Persist,
}

impl Again<'_> {
    async fn write(&self, reading: &mut Reading<'_>, format: Format) -> Result<Done, Failure> {
        let origin = reading.origin()?;
        let options = Options { keep_old: self.args.keep_old, evaluate: self.args.evaluate };
        let (mut summary, mut pace) = (Summary::default(), Pace::of(self.args.rate));
        while let Some(part) = reading.next().await? {
            pace.wait_for(part.iter().map(|one| one.requests.len()).sum()).await;
            summary += self.mend(origin, &part, options).await?;
        }
        // What was mended is said whatever becomes of the rest.
        let pruned = if self.args.prune { self.prune(&mut summary.pruned).await } else { Ok(()) };
        let Pruned { waiting, too_large, .. } = summary.pruned;
        if waiting > 0 {
            eprintln!(
                "{waiting} series are left, whose alerts end first: run it again once their receivers were notified"
            );
        }
        if too_large > 0 {
            eprintln!("{too_large} streams are left as they are: they have too many moments");
        }
        output::rows(format, &[summary])?;
        pruned.map(|()| Done::Well)
    }

    /// Takes away series that have no values any more.
    async fn prune(&self, pruned: &mut Pruned) -> Result<(), Failure> {
        for stream in self.run.streams().await.map_err(|error| database::failed(&error))? {
            let positions = prune::empty(self.client, stream).await;
            let positions = positions.map_err(|error| database::failed(&error.into()))?;
            if !positions.is_empty() {
                *pruned += self.prune_series(stream, &positions).await?;
            }
            pruned.devices += u64::from(self.prune_stream(stream).await?);
        }
        Ok(())
    }

    async fn prune_series(&self, stream: i32, positions: &[i16]) -> Result<Pruned, Failure> {
        let now = Clock::system().now();
        self.attempt(async |transaction| prune::begin(transaction, (stream, positions), now).await).await?;
        let of_stream = (stream, positions);
        let pruned = self.attempt(async |transaction| match prune::take_away(transaction, of_stream).await {
            Err(error) if error.is_too_large() => Ok(None),
            pruned => pruned.map(Some),
        });
        Ok(pruned.await?.unwrap_or(Pruned { too_large: 1, ..Pruned::default() }))
    }

    /// Takes away a stream of which nothing is left; whether its device went with it.
    async fn prune_stream(&self, stream: i32) -> Result<bool, Failure> {
        let bare = prune::is_bare(self.client, stream).await;
        if !bare.map_err(|error| database::failed(&error.into()))? {
            return Ok(false);
        }
        if !self.attempt(async |transaction| prune::hide(transaction, stream).await).await? {
            return Ok(false);
        }
        while self.attempt(async |transaction| prune::moments(transaction, stream).await).await? {}
        self.attempt(async |transaction| prune::stream(transaction, stream).await).await
    }

    /// What a transaction comes to; anew where another one is in the way of it.
    async fn attempt<T>(
        &self,
        act: impl AsyncFn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, Failure> {
        let mut attempts = 1..=ATTEMPTS;
        loop {
            attempts.next();
            let mut client = self.run.database().client().await.map_err(|error| database::failed(&error))?;
            let transaction =
                Transaction::begin(&mut client).await.map_err(|error| database::failed(&error))?;
            let came_to = match act(&transaction).await {
                Ok(came_to) => transaction.commit().await.map(|()| came_to),
                Err(error) => Err(error),
            };
            match came_to {
                Ok(came_to) => return Ok(came_to),
                Err(error) if (error.is_locked() || error.is_rolled_back()) && !attempts.is_empty() => {}
                Err(error) => return Err(database::failed(&error)),
            }
        }
    }

    /// Writes what requests make now; anew where names of devices lead elsewhere meanwhile.
    async fn mend(
        &self,
        origin: Origin<'_>,
        part: &[ReadAgain<'_>],
        options: Options,
    ) -> Result<Summary, Failure> {
        let mut attempts = 1..=ATTEMPTS;
        'anew: loop {
            attempts.next();
            let mut summary = Summary::default();
            for rereads in self.reread(origin, part).await? {
                summary.problems += rereads.iter().map(|reread| reread.problems as u64).sum::<u64>();
                match self.run.write(&rereads, options, (&[], Clock::system().now())).await {
                    Ok(changes) => summary.changes += changes,
                    Err(error) if error.is_of_registry() && !attempts.is_empty() => {
                        self.persist.forget_streams();
                        continue 'anew;
                    }
                    Err(error) => return Err(database::failed(&error)),
                }
            }
            return Ok(summary);
        }
    }

    /// What requests make now, together, or receipt by receipt where the database refuses a name of one of them.
    async fn reread(&self, origin: Origin<'_>, part: &[ReadAgain<'_>]) -> Result<Vec<Vec<Reread>>, Failure> {
        let failed = |error: PersistError| Failure::because("the requests cannot be read again", &error);
        match self.persist.reread(origin, part).await {
            Ok(rereads) => return Ok(vec![rereads]),
            Err(error) if !error.is_final() => return Err(failed(error)),
            Err(_) => {}
        }
        let mut each = Vec::new();
        for one in part {
            match self.persist.reread(origin, std::slice::from_ref(one)).await {
                Ok(reread) => each.push(reread),
                Err(error) if !error.is_final() => return Err(failed(error)),
                Err(error) => reading::left(one.receipt_id, &error),
            }
        }
        Ok(each)
    }

    async fn dry(&self, reading: &mut Reading<'_>, format: Format) -> Result<Done, Failure> {
        let (mut tally, mut gathered) = (Tally::default(), Gathered::default());
        while let Some(part) = reading.next().await? {
            for one in part {
                let id = one.receipt_id.to_string();
                let given: Vec<Given> = one.requests.into_iter().map(Given::of_request).collect();
                let mut lines = Vec::new();
                for given in &given {
                    lines.extend(difference::of(Some(self.client), given, &id).await?);
                }
                if !self.args.keep_old && !one.is_partial {
                    let before = self.run.before_of(one.receipt_id).await;
                    let before = before.map_err(|error| database::failed(&error))?;
                    lines.extend(difference::emptied(&given, &id, before));
                }
                gathered.add(&self.args.source, &given, &lines);
                tally.add(lines, self.args.limit as usize);
            }
        }
        let mut client = self.run.database().client().await.map_err(|error| database::failed(&error))?;
        let alerts = gathered.alerts(&mut client, self.persist.pipeline()).await?;
        let most = self.args.limit as usize;
        alerts.print(format, &tally.lines, most)?;
        words::say_if_cut(tally.lines.len().max(alerts.count().min(most)), self.args.limit);
        eprintln!("{}", tally.counts);
        alerts.sums().for_each(|sum| eprintln!("{sum}"));
        Ok(Done::Well)
    }
}

/// What a dry run found.
#[derive(Default)]
struct Tally {
    /// The first that change something.
    lines: Vec<Line>,
    counts: Counts,
}

impl Tally {
    fn add(&mut self, lines: Vec<Line>, most: usize) {
        self.counts.add(&lines);
        let room = most - self.lines.len();
        self.lines.extend(lines.into_iter().filter(Line::changes).take(room));
    }
}

/// What a run came to.
#[derive(Debug, Default, Serialize)]
struct Summary {
    #[serde(flatten)]
    changes: Changes,
    /// Items that make no sense by the pipeline of now.
    problems: u64,
    /// What had no values any more.
    pruned: Pruned,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.changes += other.changes;
        self.problems += other.problems;
        self.pruned += other.pruned;
    }
}

impl Row for Summary {
    const HEADINGS: &'static [&'static str] = &[
        "REQUESTS",
        "THAT CHANGED SOMETHING",
        "NEW MOMENTS",
        "REVISED MOMENTS",
        "EXPIRED READINGS",
        "PROBLEMS",
        "PRUNED SERIES",
        "PRUNED DEVICES",
    ];

    fn cells(&self) -> Vec<String> {
        let Changes { requests, changing, new, revised, expired } = self.changes;
        let Pruned { series, devices, .. } = self.pruned;
        [requests, changing, new, revised, expired, self.problems, series, devices]
            .map(|count| count.to_string())
            .to_vec()
    }
}
