import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

const iso = (t: Timestamp): string => timestampDate(t).toISOString();

/** dateOf gives the day in UTC: "2026-03-14". */
export const dateOf = (t: Timestamp): string => iso(t).slice(0, 10);

/** clockOf gives the time of day in UTC: "02:58:04", with milliseconds "02:58:04.113". */
export const clockOf = (t: Timestamp, milliseconds = false): string => iso(t).slice(11, milliseconds ? 23 : 19);

/** isoOf gives the time for machines. */
export const isoOf = iso;

const localFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** localOf gives the time on the reader's own clock. */
export const localOf = (t: Timestamp): string => localFormat.format(timestampDate(t));

/** durationOf gives the time between two times in words. */
export function durationOf(from: Timestamp, to: Timestamp): string {
  const seconds = Math.round((timestampDate(to).getTime() - timestampDate(from).getTime()) / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return "under a second";
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n}\u00a0${unit}`)
    .join(" ");
}
