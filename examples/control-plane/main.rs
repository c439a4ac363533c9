mod resources;
mod watch;
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let (file, content) = resources::find(dir.as_ref()).unwrap().unwrap();
    match resources::parse(file, &content) {
        Ok(list) => println!("{}", list.len()),
        Err(faults) => faults.iter().for_each(|fault| println!("{fault}")),
    }
}
