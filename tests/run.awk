# SPDX-License-Identifier: Apache-2.0
# Reads what `cargo test --no-fail-fast -- --show-output` prints; see run.sh.

BEGIN { code = "unknown" }

function finish() {
    if (name != "") {
        # No result line: it was killed, or aborted.
        printf "%-50s ended without a result\n", name
        failed++
    }
    name = ""
}

function begin(called) {
    finish()
    name = called
    early = ignored = shown = 0
}

/^ +Running / {
    binary = path = $0
    sub(/^ +Running (unittests )?/, "", path)
    sub(/ .*/, "", path)
    sub(/.*\//, "", binary)
    sub(/-[0-9a-f]+\)$/, "", binary)
    begin(path == "src/lib.rs" || path == "src/main.rs" ? binary : binary " " path)
    next
}

/^ +Doc-tests / {
    begin($2 " documentation")
    next
}

# Standard error is not captured, so it may stand in the harness's own line.
name != "" && match($0, /(^|\.\.\. )skipped: /) {
    line = substr($0, RSTART)
    sub(/^\.\.\. /, "", line)
    print "    " line
    early++
}

# Those that another test starts, in a process of its own, are part of that test.
/ \.\.\. ignored/ && !/ignored, started by / {
    print "    " $0
    ignored++
}

/^test .* \.\.\. FAILED/ || /has been running for over/ {
    print "    " $0
    fflush()
}
/^failures:/ { shown = 1 }
/^test result: / { shown = 0 }
shown { print "    " $0 }

name != "" && /^test result: / {
    took = $0
    sub(/.*finished in /, "", took)
    ok = $4 - early
    if ($4 + $6 + ignored > 0)
        printf "%-50s %4d passed %3d failed %3d skipped %8s\n", \
            name, ok, $6, early + ignored, took
    passed += ok
    failed += $6
    skipped += early + ignored
    name = ""
    fflush()
}

# Missing when cargo was killed together with the shell around it.
/^cargo ended with / { code = $4 }

END {
    finish()
    # cargo failed, and no test did.
    if (code != "0" && failed == 0) failed = 1
    printf "total: %d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit (failed > 0 || passed == 0)
}
