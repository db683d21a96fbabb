//! The process as a whole: where it keeps things, how it starts, how it stops.

use super::server::Server;

#[test]
fn a_pet_and_its_jobs_are_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("deep/data");
    let server = Server::on(&data, &[]);
    let before = server.adopt("Mochi");
    server.post("/api/pets/Mochi/sleep").expect(200);
    let jobs = server.get("/api/pets/Mochi/jobs").expect(200);
    server.signal("TERM");
    assert!(server.wait().success());

    let server = Server::on(&data, &[]);
    let after = server.pet("Mochi");
    assert_eq!(after["born_at"], before["born_at"]);
    assert_eq!(after["asleep"], true);
    let kept = server.get("/api/pets/Mochi/jobs").expect(200);
    assert_eq!(kept["scheduled"], jobs["scheduled"]);
}

#[test]
fn nobody_has_to_read_what_it_prints() {
    let server = Server::unheard(&["--store", "memory:"]);
    assert_eq!(server.get("/healthz").status, 200);
}
