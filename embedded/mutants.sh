#!/usr/bin/env bash
# Can the firmware fail? Breaks the queue in one place after another, in a copy, and runs the firmware on each: it
# must find every one of them.
#
#     embedded/mutants.sh [name…]
set -euo pipefail
only=("$@")
set --
. "$(dirname "${BASH_SOURCE[0]}")/targets.sh"
target=${targets[0]} # the one with native compare-exchange, so that an operation really is in two halves

copy=$CARGO_TARGET_DIR/mutants
rm -rf "$copy"
mkdir -p "$copy/embedded"
cp -r "$here"/../{Cargo.toml,README.md} "$copy/"
cp -r "$here"/{.cargo,build.rs,Cargo.toml,Cargo.lock,src} "$copy/embedded/"
# Members that the copy doesn't have.
perl -pi -e 's/^members = .*/members = []/; s/^pushlane-peers.*//' "$copy/Cargo.toml"

found=0 missed=0 unknown=0
mutant() { # name, file under src, substitution
    local name=$1 file=$copy/src/$2 firmware
    if ((${#only[@]})) && [[ " ${only[*]} " != *" $name "* ]]; then return; fi
    rm -rf "$copy/src"
    cp -r "$here/../src" "$copy/src"
    perl -0pi -e "$3" "$file"
    if cmp -s "$file" "$here/../src/$2"; then
        echo "OUT OF DATE: $name changes nothing in src/$2"
        unknown=$((unknown + 1))
        return
    fi
    if ! (cd "$copy/embedded" && cargo build --quiet --locked --release \
        --target "$target" --bin interrupts --bin wide 2>"$copy/errors"); then
        echo "OUT OF DATE: $name does not compile"
        grep -A 5 '^error' "$copy/errors" || true
        unknown=$((unknown + 1))
        return
    fi
    for firmware in interrupts wide; do
        if ! output=$(cd "$copy/embedded" && cargo run --quiet --locked --release \
            --target "$target" --bin "$firmware" 2>&1); then
            # The panic's message is on the line after its place.
            echo "found: $name, by $firmware: $(grep -A1 panicked <<<"$output" | tail -n 1)"
            found=$((found + 1))
            return
        fi
    done
    echo "MISSED: $name"
    missed=$((missed + 1))
}

# Operations that are whole, in two halves. (Not the rows of topics and the insert into the summary: there the
# interrupt would have to come between two instructions while a rare state lasts. Those are loom's.)
mutant bank-transition bank.rs 's/match self\.0\.compare_exchange_weak\(\s*word,\s*next\.word\(\),.*?\) \{/self.0.store(next.word(), Ordering::Release);\n match Ok::<usize, usize>(word) {/s'
mutant ready-insert ready/sweep.rs 's/self\.words\(\)\[index\]\.fetch_or\(mask, Ordering::Release\)/{ let all = self.words()[index].load(Ordering::Relaxed); self.words()[index].store(all | mask, Ordering::Release) }/'
mutant ready-take ready/sweep.rs 's/if word\.fetch_and\(!lowest, Ordering::Acquire\) & lowest != 0/word.store(all & !lowest, Ordering::Relaxed);\n if true/'
mutant summary-no-second-look ready/sweep.rs 's/if word == 0 \{\s*return false;/if true { return false;/'
mutant turn ready/line.rs 's/match self\.turn\.compare_exchange_weak\(\s*turn\.0,\s*turn\.without\(slots\)\.0,.*?\) \{/self.turn.store(turn.without(slots).0, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'
mutant bits-take backlog/bits.rs 's/cell\.0\[word\]\.swap\(0, Ordering::Acquire\)/{ let all = cell.0[word].load(Ordering::Acquire); cell.0[word].store(0, Ordering::Relaxed); all }/'
mutant bits-merge backlog/bits.rs 's/word\.fetch_or\(flags, Ordering::Release\)/word.store(word.load(Ordering::Relaxed) | flags, Ordering::Release)/'
mutant permit-take limiter.rs 's/match self\.0\.compare_exchange_weak\(\s*word,\s*word \+ granted,.*?\) \{/self.0.store(word + granted, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'
mutant permit-return limiter.rs 's/self\.0\.fetch_sub\(n, Ordering::AcqRel\)/{ let all = self.0.load(Ordering::Relaxed); self.0.store(all - n, Ordering::Relaxed); all }/'
mutant limit-resize limiter.rs 's/match self\.0\.compare_exchange_weak\(\s*word,\s*next\.0,.*?\) \{/self.0.store(next.0, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'
mutant number convergence.rs 's/self\.counter\.fetch_add\(ONE, Ordering::AcqRel\)/{ let all = self.counter.load(Ordering::Relaxed); self.counter.store(all + ONE, Ordering::Relaxed); all }/'
mutant unsubscribe-in-two-steps topics.rs 's/match word\.compare_exchange_weak\(\s*members,\s*members & !now \| left,.*?\) \{/word.fetch_and(!now, Ordering::Relaxed);\n word.fetch_or(left, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'

# Steps in the wrong order.
mutant version-read-late queue/serve.rs 's/complete\(bank, slot, ticket\.seen\)/complete(bank, slot, self.convergence.newest())/'
mutant set-before-mark queue/publish.rs 's/let marked = self\.banks\(\)\[place\.bank\]\.mark\(1 << place\.slot, fresh\.lane\);\s*fresh\.add\(place\.bank, marked\.ready\);/fresh.add(place.bank, 1 << place.slot);\n fresh.insert();\n let _ = self.banks()[place.bank].mark(1 << place.slot, fresh.lane);/'
mutant mark-before-record queue/publish.rs 's/self\.backlog\.record\(recording, self\.cell\(place\)\);\s*let marked = (.*?);/let marked = $1;\n self.backlog.record(recording, self.cell(place));/s'

rm -rf "$copy"
printf '\n%s found, %s missed, %s out of date\n' "$found" "$missed" "$unknown"
((missed + unknown == 0))
