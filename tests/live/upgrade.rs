//! A program that is replaced while it runs: what it starts is what it is.

use std::path::Path;
use std::sync::Arc;

use super::process::{Tidegate, command, command_of, write_config};
use crate::support::client::get;
use crate::support::origin::{Answer, Origin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_read_by_the_program_that_runs_though_another_took_its_place() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers/lines.pdf");
    let file = std::fs::read(path).expect("a file of ours");
    let whole = file.clone();
    let origin = Origin::serve(move |_| Answer::new("application/pdf", whole.clone())).await;
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    write_config(
        dir.path(),
        &format!(
            "[listen.http]\naddress = \"127.0.0.1:0\"\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
             [[budget]]\nname = \"bulk\"\nper = \"exchange\"\npeople = 60\naction = \"block\"\nmode = \"enforce\"\n",
            origin.address
        ),
    );
    let program = dir.path().join("program");
    std::fs::copy(command(dir.path()).get_program(), &program).expect("the directory is ours");
    let copied = command_of(&program, dir.path());
    let gateway = Tidegate::launch_by(copied, dir, &["run", "--config", "tidegate.toml"], "trace").await;
    std::fs::remove_file(&program).expect("the directory is ours");
    std::fs::write(&program, "another").expect("the directory is ours");
    let reply = get(gateway.address("http"), "/", "").await;
    assert!(reply.is_whole && reply.body == file, "{}", reply.head);
}
