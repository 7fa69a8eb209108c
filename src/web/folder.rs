//! The folder with the dataflow files: one project a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::disk::{self, Readers};

/// A project's name: that of its file without `.toml`. It never leads out of the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProjectName(String);

impl FromStr for ProjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<ProjectName, String> {
        const LONGEST: usize = 64;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        // One that begins with a dash would be an option of the command line.
        if (1..=LONGEST).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-') {
            Ok(ProjectName(text.to_owned()))
        } else {
            Err(format!("{text:?} is no project name: up to {LONGEST} letters, digits, - and _, and no - in front"))
        }
    }
}

impl std::fmt::Display for ProjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder of dataflow files, and of the state of their runs.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The subfolder with the state of the runs.
    pub const STATE: &'static str = ".rowmill";
    /// The bytes of a dataflow file that are read; a request may have as many.
    const LONGEST: u64 = 2 << 20;

    /// # Errors
    /// If there is no such folder, or nothing can be kept in it.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let path = path.canonicalize()?;
        fs::create_dir_all(path.join(Folder::STATE))?;
        Ok(Folder(path))
    }

    /// The folder, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The dataflow file of a project.
    pub fn file(&self, name: &ProjectName) -> PathBuf {
        self.0.join(format!("{name}.toml"))
    }

    /// The state of a project's last run.
    pub fn state(&self, name: &ProjectName) -> PathBuf {
        self.0.join(Folder::STATE).join(name.to_string())
    }

    /// All projects, sorted; files with other names are ignored.
    pub fn names(&self) -> io::Result<Vec<ProjectName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".toml")).map(ProjectName::from_str);
            names.extend(name.and_then(Result::ok));
        }
        names.sort();
        Ok(names)
    }

    /// The text of a project's dataflow file.
    ///
    /// # Errors
    /// A file that can't be read, a pipe or a device, or more bytes than a dataflow file has.
    pub fn read(&self, name: &ProjectName) -> io::Result<String> {
        disk::read_regular_text(&self.file(name), Folder::LONGEST)
    }

    /// Writes a file that is not there yet.
    pub fn create(&self, name: &ProjectName, text: &str) -> io::Result<()> {
        File::create_new(self.file(name))?.write_all(text.as_bytes())
    }

    /// Replaces a file that is there, with the same permissions; readers see the old one or the new one.
    pub fn save(&self, name: &ProjectName, text: &str) -> io::Result<()> {
        disk::replace(&self.file(name), text.as_bytes(), Readers::AsBefore)
    }

    /// Removes the file and the state of its runs.
    pub fn remove(&self, name: &ProjectName) -> io::Result<()> {
        fs::remove_file(self.file(name))?;
        match fs::remove_dir_all(self.state(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether a path of a dataflow file stays in the folder.
pub fn is_inside(path: &str) -> bool {
    use std::path::Component;
    let state = std::ffi::OsStr::new(Folder::STATE);
    let stays = |part: Component<'_>| match part {
        Component::Normal(name) => name != state,
        Component::CurDir => true,
        _ => false,
    };
    Path::new(path).components().all(stays)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for wrong in ["", ".", "..", "../x", "a/b", "a.b", "/etc", "a\\b", "a b", "\u{e4}", &"x".repeat(65)] {
            assert!(ProjectName::from_str(wrong).is_err(), "{wrong}");
        }
        assert!(ProjectName::from_str("weather-2_B").is_ok());
    }

    #[test]
    fn paths_of_dataflow_files_stay_inside() {
        assert!(is_inside("out.ndjson") && is_inside("./a/b.csv"));
        for wrong in ["/etc/passwd", "../x.csv", "a/../../x.csv", ".rowmill/users.json"] {
            assert!(!is_inside(wrong), "{wrong}");
        }
    }

    #[test]
    fn projects_come_and_go() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        let name: ProjectName = "b".parse().unwrap();
        folder.create(&name, "one").unwrap();
        assert_eq!(folder.create(&name, "two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::set_permissions(folder.file(&name), fs::Permissions::from_mode(0o640)).unwrap();
        folder.save(&name, "three").unwrap();
        assert_eq!(fs::metadata(folder.file(&name)).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(folder.read(&name).unwrap(), "three");
        fs::write(directory.path().join("a.toml"), "").unwrap();
        fs::write(directory.path().join("not a name.toml"), "").unwrap();
        assert_eq!(folder.names().unwrap(), ["a".parse().unwrap(), name.clone()]);
        fs::write(folder.file(&name), vec![b'#'; Folder::LONGEST as usize + 1]).unwrap();
        assert_eq!(folder.read(&name).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        folder.remove(&name).unwrap();
        assert!(folder.save(&name, "four").is_err() && folder.read(&name).is_err());
    }
}
