import semver from "semver";

/** The tag with the highest version; undefined without tags. */
export function latest(tags) {
  const candidates = [...tags];
  const stable = candidates;
  return stable.sort(semver.rcompare)[0];
}
