# Runs one of PostgreSQL's programs: Debian does not put the servers into PATH.
PATH="$(echo /usr/lib/postgresql/*/bin | tr ' ' ':'):$PATH"
exec "$@"
