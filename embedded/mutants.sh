#!/usr/bin/env bash
# Can the firmware fail? Breaks the queue in one place after another, in a copy, and runs the
# firmware on each: it must find every one of them.
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
# A run that is right takes a tenth of this.
sed -i 's/--cpu=300/--cpu=90/' "$copy/embedded/.cargo/config.toml"
# Members, tests and examples that the copy doesn't have.
perl -0pi -e 's/^members = \[.*?\]/members = []/ms; s/^\[\[.*?\n\n//gms' "$copy/Cargo.toml"

# Some mistakes show only if the interrupt comes before one of few instructions while a rare state
# lasts. The first is the seed of a plain run.
seeds=(2654435769 1 2 3 4 5 6 7)

found=0 missed=0 unknown=0
in_copy() { # build or run `firmware` with `seed`
    (cd "$copy/embedded" && PUSHLANE_SEED=$seed cargo "$1" --quiet --locked --release \
        --target "$target" --bin "$firmware") >"$copy/output" 2>&1
}
mutant() { # name, file under src, substitution, firmware that is to find it (any of them)
    local name=$1 file=$copy/src/$2 seed firmware why candidates=${4:-interrupts topics wide}
    if ((${#only[@]})) && [[ " ${only[*]} " != *" $name "* ]]; then return; fi
    rm -rf "$copy/src"
    cp -r "$here/../src" "$copy/src"
    perl -0pi -e "$3" "$file"
    if cmp -s "$file" "$here/../src/$2"; then
        echo "OUT OF DATE: $name changes nothing in src/$2"
        unknown=$((unknown + 1))
        return
    fi
    for seed in "${seeds[@]}"; do
        for firmware in $candidates; do
            in_copy build || {
                echo "OUT OF DATE: $name does not compile"
                grep -A 5 '^error' "$copy/output" || true
                unknown=$((unknown + 1))
                return
            }
            in_copy run || {
                # The panic's message is on the line after its place.
                why=$(grep -A1 panicked "$copy/output" | tail -n 1) || why="does not end"
                echo "found: $name, by $firmware ($seed): $why"
                found=$((found + 1))
                return
            }
        done
    done
    echo "MISSED: $name"
    missed=$((missed + 1))
}

# Operations that are whole, in two halves. Loom has those of topics, of the summary and of a raise.
# There the interrupt would have to come between two instructions while a rare state lasts, or it
# leaves nothing to lose: a visit of a fan-out that begins in it ends in it.
mutant bank-transition bank.rs 's/match self\.0\.compare_exchange_weak\(\s*word,\s*next\.word\(\),.*?\) \{/self.0.store(next.word(), Ordering::Release);\n match Ok::<usize, usize>(word) {/s'
mutant ready-insert ready/sweep.rs 's/word\.fetch_or\(mask, Ordering::Release\)/{ let all = word.load(Ordering::Relaxed); word.store(all | mask, Ordering::Release) }/'
mutant ready-remove ready/sweep.rs 's/let taken = word\.compare_exchange_weak\(\s*all,\s*(all [^\n]*),.*?\n +\);/word.store($1, Ordering::Relaxed);\n let taken = Ok::<usize, usize>(all);/s'
mutant turn ready/lane.rs 's/match self\.turn\.compare_exchange_weak\(\s*turn\.0,\s*turn\.without\(slots\)\.0,.*?\) \{/self.turn.store(turn.without(slots).0, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'
mutant bits-take backlog/bits.rs 's/words\[word\]\.swap\(0, Ordering::Acquire\)/{ let all = words[word].load(Ordering::Acquire); words[word].store(0, Ordering::Relaxed); all }/' interrupts
mutant bits-merge backlog/bits.rs 's/word\.fetch_or\(flags, Ordering::Release\)/word.store(word.load(Ordering::Relaxed) | flags, Ordering::Release)/' interrupts
mutant permit-take limiter.rs 's/match self\.0\.compare_exchange_weak\(\s*word,\s*word \+ granted,.*?\) \{/self.0.store(word + granted, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'
mutant permit-return limiter.rs 's/self\.0\.fetch_sub\(n, Ordering::AcqRel\)/{ let all = self.0.load(Ordering::Relaxed); self.0.store(all - n, Ordering::Relaxed); all }/'
mutant limit-resize limiter.rs 's/match self\.0\.compare_exchange_weak\(\s*word,\s*next\.0,.*?\) \{/self.0.store(next.0, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'
mutant number convergence.rs 's/self\.counter\.fetch_add\(ONE, Ordering::AcqRel\)/{ let all = self.counter.load(Ordering::Relaxed); self.counter.store(all + ONE, Ordering::Relaxed); all }/'
mutant unsubscribe topics.rs 's/match word\.compare_exchange_weak\(\s*members,\s*members & !now \| left,.*?\) \{/word.fetch_and(!now, Ordering::Relaxed);\n word.fetch_or(left, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s'
mutant visit-begin fan_out.rs 's/match self\.visits\.compare_exchange_weak\(\s*visits,\s*(\(visits & !FRONTIER [^\n]*),\n.*?\n +\) \{/self.visits.store($1, Ordering::Relaxed);\n match Ok::<usize, usize>(0) {/s' 'topics wide'
mutant visit-end fan_out.rs 's/self\.visits\.fetch_sub\(ONE_BEGUN, Ordering::Release\)/{ let all = self.visits.load(Ordering::Relaxed); self.visits.store(all - ONE_BEGUN, Ordering::Release) }/' 'topics wide'

# Steps in the wrong order, or left out.
mutant summary-no-second-look ready/sweep.rs 's/if word == 0 \{\s*return false;/if true { return false;/' wide
mutant version-read-late queue/serve.rs 's/complete\(place\.slot, ticket\.seen\)/complete(place.slot, self.convergence.newest())/'
mutant set-before-mark queue/publish.rs 's/(let marked = self\.banks\(\)\[place\.bank\]\.mark\(1 << place\.slot, lane\);)(.*?)self\.lane_queue\(lane\)\.join\(place\.bank, place\.slot\);/self.lane_queue(lane).join(place.bank, place.slot);\n $1$2/s'
mutant mark-before-record queue/publish.rs 's/(if B::RECORDS \{\s*self\.backlog\.record\(&mut recording, .*?\n        \})\s*(let marked = .*?;)/$2\n $1/s' interrupts
mutant begun-visit-counts fan_out.rs 's/(fn is_pending\(&self\) -> bool \{\s*self\.visits\.load\(Ordering::Acquire\)) & !FRONTIER/$1 & REMAINING/' 'topics wide'
mutant visit-ends-before-marks queue/expand.rs 's/(let first = group \* GROUP;.*?)fan_out\.end\(\);/fan_out.end();\n $1/s' 'topics wide'
mutant newest-before-visit queue/expand.rs 's/(let group = fan_out\.begin\(\)\?;)(.*?)let newest = fan_out\.newest\(\);/let newest = fan_out.newest();\n $1$2/s' 'topics wide'

rm -rf "$copy"
printf '\n%s found, %s missed, %s out of date\n' "$found" "$missed" "$unknown"
((missed + unknown == 0))
