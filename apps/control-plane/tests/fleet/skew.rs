//! Wall clocks that are set differently: a library in front of libc says another time.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    const char *skew = getenv("SKEW_SECONDS");
    if (result == 0 && clock == CLOCK_REALTIME && skew) time->tv_sec += atol(skew);
    return result;
}
"#;

pub(crate) struct Skew {
    library: PathBuf,
}

impl Skew {
    pub(crate) fn new(dir: &Path) -> Self {
        let (source, library) = (dir.join("skew.c"), dir.join("skew.so"));
        std::fs::write(&source, SOURCE).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        assert!(compiler.status().expect("a C compiler").success());
        let skew = Self { library };
        let seconds = |by: i64| {
            let date = Command::new("date").arg("+%s").envs(skew.by(by)).output().unwrap();
            String::from_utf8(date.stdout).unwrap().trim().parse::<i64>().unwrap()
        };
        assert!(seconds(3_600) - seconds(0) > 3_000, "the clocks are not skewed");
        skew
    }

    /// The environment of a process whose clock is wrong by so many seconds.
    pub(crate) fn by(&self, seconds: i64) -> [(String, String); 2] {
        let library = self.library.display().to_string();
        [("LD_PRELOAD".into(), library), ("SKEW_SECONDS".into(), seconds.to_string())]
    }
}
