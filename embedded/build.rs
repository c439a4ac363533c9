//! Writes the memory map of the board that the target stands for, and asks for the runtime's linker
//! script.

use std::{env, fs, path::PathBuf};

/// lm3s6965evb.
const THUMBV7M: &str = "MEMORY {
  FLASH : ORIGIN = 0x00000000, LENGTH = 256K
  RAM : ORIGIN = 0x20000000, LENGTH = 64K
}";

/// microbit.
const THUMBV6M: &str = "MEMORY {
  FLASH : ORIGIN = 0x00000000, LENGTH = 256K
  RAM : ORIGIN = 0x20000000, LENGTH = 16K
}";

/// virt: memory only, split as if the first part were flash.
const RISCV32: &str = r#"MEMORY {
  FLASH : ORIGIN = 0x80000000, LENGTH = 1M
  RAM : ORIGIN = 0x80100000, LENGTH = 64K
}
REGION_ALIAS("REGION_TEXT", FLASH);
REGION_ALIAS("REGION_RODATA", FLASH);
REGION_ALIAS("REGION_DATA", RAM);
REGION_ALIAS("REGION_BSS", RAM);
REGION_ALIAS("REGION_HEAP", RAM);
REGION_ALIAS("REGION_STACK", RAM);"#;

fn main() {
    let target = env::var("TARGET").unwrap();
    let map = match target.as_str() {
        "thumbv7m-none-eabi" => THUMBV7M,
        "thumbv6m-none-eabi" => THUMBV6M,
        target if target.starts_with("riscv32") => RISCV32,
        _ => panic!("no board for {target}: README.md lists the targets"),
    };
    // A queue for 1,024 clients is measured for chips larger than the smallest board.
    println!("cargo::rerun-if-env-changed=PUSHLANE_RAM");
    let map = match env::var("PUSHLANE_RAM") {
        Ok(ram) => map.replace("16K", &ram),
        Err(_) => map.to_string(),
    };
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    fs::write(out.join("memory.x"), map).unwrap();
    println!("cargo::rustc-link-search={}", out.display());
    if target.starts_with("riscv32") {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rerun-if-changed=build.rs");
}
