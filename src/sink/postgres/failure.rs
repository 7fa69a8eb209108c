//! What an error of the database means to the rows that are on their way.

use std::error::Error as _;

use postgres::Error;
use postgres::error::Severity;

use crate::sink::error::with_causes;

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseFailure {
    /// The database is out of reach, or cannot work now: later it may.
    Absent,
    /// It says that it could not do it now, and stays there: that is of its state, or a trigger says so of a row.
    Again,
    /// It refuses values of a row.
    Row,
    /// It has failed at rows: at one of them where it takes others, or at all.
    Internal,
    /// It will not work until somebody changes something.
    Lasting,
}

impl DatabaseFailure {
    pub fn of(error: &Error) -> DatabaseFailure {
        let Some(refused) = error.as_db_error() else { return of_connection(error) };
        let stays = refused.parsed_severity() == Some(Severity::Error);
        match of_code(refused.code().code()) {
            DatabaseFailure::Again if !stays => DatabaseFailure::Absent,
            failure => failure,
        }
    }

    /// Whether it may pass by itself.
    pub fn passes(self) -> bool {
        matches!(self, DatabaseFailure::Absent | DatabaseFailure::Again)
    }
}

/// By the classes of PostgreSQL's error codes.
fn of_code(code: &str) -> DatabaseFailure {
    match (&code[..2], code) {
        // A statement that gave way to another client, or was cancelled.
        ("40", _) | (_, "57014") => DatabaseFailure::Again,
        // A lost connection, a server that stops or is out of room, which is no affair of a row though others may fit.
        ("08" | "53" | "57" | "58", _) => DatabaseFailure::Absent,
        // A lock that another client holds until it lets go, a server that is no longer the primary, one that ended a
        // transaction which took too long, one that has forgotten the statements of the connection.
        (_, "55P03" | "25006" | "25P03" | "25P04" | "26000") => DatabaseFailure::Absent,
        // Data and cardinality exceptions, violated constraints, exceptions of triggers, checks of views, limits.
        ("09" | "21" | "22" | "23" | "27" | "38" | "39" | "44" | "54" | "P0", _) => DatabaseFailure::Row,
        // Extensions say it of values that they did not foresee. The other codes of the class are of damaged files.
        (_, "XX000") => DatabaseFailure::Internal,
        _ => DatabaseFailure::Lasting,
    }
}

fn of_connection(error: &Error) -> DatabaseFailure {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<rustls::Error>() {
            return DatabaseFailure::Lasting;
        }
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            // rustls reports what is wrong with a certificate as invalid data.
            let lasting = io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            return if lasting { DatabaseFailure::Lasting } else { DatabaseFailure::Absent };
        }
        cause = inner.source();
    }
    if error.is_closed() { DatabaseFailure::Absent } else { DatabaseFailure::Lasting }
}

/// The error in the database's own words.
pub fn words(error: &Error) -> String {
    if let Some(refused) = error.as_db_error() {
        let more = [refused.detail(), refused.hint()].into_iter().flatten();
        return more.fold(refused.message().to_owned(), |text, more| format!("{text}: {more}"));
    }
    with_causes(error)
}

/// The line of a COPY at which it failed, from 1.
pub fn line_of_copy(error: &Error) -> Option<usize> {
    let context = error.as_db_error()?.where_()?;
    let copy = context.lines().find(|line| line.starts_with("COPY "))?;
    let number = copy.split(", line ").nth(1)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_by_their_classes() {
        for (code, expected) in [
            ("57P03", DatabaseFailure::Absent),
            ("57014", DatabaseFailure::Again),
            ("53100", DatabaseFailure::Absent),
            ("40P01", DatabaseFailure::Again),
            ("55P03", DatabaseFailure::Absent),
            ("25P03", DatabaseFailure::Absent),
            ("26000", DatabaseFailure::Absent),
            ("22003", DatabaseFailure::Row),
            ("23505", DatabaseFailure::Row),
            ("P0001", DatabaseFailure::Row),
            ("XX000", DatabaseFailure::Internal),
            ("XX001", DatabaseFailure::Lasting),
            ("28P01", DatabaseFailure::Lasting),
            ("3D000", DatabaseFailure::Lasting),
            ("42P01", DatabaseFailure::Lasting),
            ("42501", DatabaseFailure::Lasting),
        ] {
            assert_eq!(of_code(code), expected, "{code}");
        }
    }
}
