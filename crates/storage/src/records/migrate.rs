//! Bringing a database's tables up to date: forward only, in one transaction.
//!
//! The runner is our own because the database may be shared with a program that uses sqlx's, whose table has a
//! fixed name.

use appdepot_core::{Error, ErrorKind};

use super::commit::Failure;
use super::cursor::digest;
use super::declared;
use super::dialect::Dialect;
use super::engine::{Session, Shape, Statement};

/// One step of the schema. Never changed once released.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) sql: &'static str,
}

/// The version under which the definition of the declared fields' indexes is noted.
const DECLARED: i64 = 0;

/// Runs what has not been run yet. The caller keeps other processes out and commits.
pub(super) async fn run(
    session: &mut dyn Session,
    dialect: Dialect,
    migrations: &[Migration],
) -> Result<(), Failure> {
    let table =
        "CREATE TABLE IF NOT EXISTS appdepot_migrations (version bigint PRIMARY KEY, checksum text NOT NULL)";
    session.execute(Statement::new(table, [])).await?;
    let sql = "SELECT version, checksum FROM appdepot_migrations ORDER BY version";
    let mut applied = Vec::new();
    for mut row in session.rows(Statement::new(sql, []), &[Shape::Integer, Shape::Text]).await? {
        applied.push((row.integer()?, row.text()?));
    }
    let newest = migrations.last().map_or(0, |migration| migration.version);
    if applied.iter().any(|(version, _)| *version > newest) {
        return Err(refused("the database was written by a newer version of this program").into());
    }
    for migration in migrations {
        let checksum = digest(migration.sql.as_bytes());
        match applied.iter().find(|(version, _)| *version == migration.version) {
            Some((_, noted)) if *noted == checksum => {}
            Some(_) => return Err(refused("the database has another schema than this program").into()),
            None => {
                session.script(migration.sql.into()).await?;
                note(session, migration.version, &checksum).await?;
            }
        }
    }
    let statements = declared::statements(dialect)?.join(";\n");
    let checksum = digest(statements.as_bytes());
    if !applied.contains(&(DECLARED, checksum.clone())) {
        for mut row in session.rows(Statement::new(declared::made(dialect), []), &[Shape::Text; 2]).await? {
            let (name, drop) = (row.text()?, row.text()?);
            if !statements.contains(&format!(" {name} ")) {
                session.script(drop.into()).await?;
            }
        }
        session.script(statements.into()).await?;
        note(session, DECLARED, &checksum).await?;
    }
    Ok(())
}

async fn note(session: &mut dyn Session, version: i64, checksum: &str) -> Result<(), Failure> {
    let sql = "INSERT INTO appdepot_migrations (version, checksum) VALUES ($1, $2) \
               ON CONFLICT (version) DO UPDATE SET checksum = excluded.checksum";
    session.execute(Statement::new(sql, [version.into(), checksum.into()])).await?;
    Ok(())
}

fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, why)
}
