# Prints the output of `go test` from that of `go test -json`: with verbose=text all of it, with verbose=json the input.

function read_field(name,    start, rest, n) {
    start = index($0, "\"" name "\":\"")
    if (!start) return ""
    rest = substr($0, start + length(name) + 4)
    n = match(rest, /^([^"\\]|\\.)*"/)
    return n ? substr(rest, 1, RLENGTH - 1) : ""
}

function decode(text,    result, at, code) {
    result = ""
    while ((at = index(text, "\\")) > 0) {
        result = result substr(text, 1, at - 1)
        code = substr(text, at + 1, 1)
        if (code == "u") {
            result = result decode_unicode(tolower(substr(text, at + 2, 4)))
            text = substr(text, at + 6)
            continue
        }
        result = result (code == "n" ? "\n" : code == "t" ? "\t" : code == "r" ? "\r" : code)
        text = substr(text, at + 2)
    }
    return result text
}

function decode_unicode(code,    number, digit) {
    number = 0
    for (digit = 1; digit <= 4; digit++) number = number * 16 + index("0123456789abcdef", substr(code, digit, 1)) - 1
    return number < 128 ? sprintf("%c", number) : "?"
}

verbose == "json" || $0 !~ /^\{/ { print; fflush(); next }

{
    action = read_field("Action")
    output = decode(read_field("Output"))
    test = read_field("Test")
    key = read_field("Package") " " test
    sub(/\/.*/, "", key)
    if (test != "") key = read_field("Package") " " substr(test, 1, index(test "/", "/") - 1)
}

action == "output" || action == "build-output" {
    if (verbose == "text" || (test == "" && output != "PASS\n")) { printf "%s", output; fflush() }
    else if (test != "" && output !~ /^ *(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|SKIP):)/) kept[key] = kept[key] output
}

test != "" && index(test, "/") == 0 && (action == "fail" || action == "pass" || action == "skip") {
    if (action == "fail" && verbose != "text") { printf "%s", kept[key]; fflush() }
    delete kept[key]
}
