import { techniqueNames } from "./techniques.js";

export const severities = ["high", "medium", "low", "informational"] as const;
export const levels = ["contact", "read", "engineering-read", "write", "control", "effect"] as const;
export const statuses = ["new", "active", "closed"] as const;
export const categories = ["OT", "Endpoint", "Network device", "IoT", "Unknown"] as const;

const levelWords: Record<string, string> = {
  contact: "Contact",
  read: "Read",
  "engineering-read": "Engineering read",
  write: "Write",
  control: "Control",
  effect: "Effect",
};

const levelMeanings: Record<string, string> = {
  contact: "The devices spoke with each other.",
  read: "Process values were read.",
  "engineering-read": "Identity, program or configuration was read.",
  write: "Process values or settings were written.",
  control: "The operating mode, program or firmware was changed.",
  effect: "The process reacted: values left their envelope, a mode changed or a device stopped answering.",
};

const typeWords: Record<string, string> = {
  plc: "Controller (PLC)",
  hmi: "Operator panel (HMI)",
  "engineering-station": "Engineering station",
  "scada-server": "SCADA server",
  historian: "Historian",
  gateway: "Gateway",
  drive: "Drive",
  io: "I/O station",
  safety: "Safety controller",
  network: "Network device",
  workstation: "Workstation",
  server: "Server",
  camera: "Camera",
  unknown: "Unknown",
};

export const types = Object.keys(typeWords);

/** capital makes the first letter a capital. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const levelWord = (level: string): string => levelWords[level] ?? capital(level || "unknown");
export const levelMeaning = (level: string): string => levelMeanings[level] ?? "";
export const levelRank = (level: string): number => (levels as readonly string[]).indexOf(level) + 1;
export const severityRank = (severity: string): number => severities.length - (severities as readonly string[]).indexOf(severity);
export const typeWord = (type: string): string => typeWords[type] ?? capital(type || "unknown");
export const techniqueName = (id: string): string => techniqueNames[id] ?? "";

/** actionWord gives "engineering read" for "engineering-read". */
export const actionWord = (action: string): string => action.replaceAll("-", " ");

const outcomeWords: Record<string, string> = { asked: "no answer seen", unknown: "outcome not known", "": "outcome not known" };

/** outcomeWord gives how a deed ended: "done", "refused". */
export const outcomeWord = (outcome: string): string => outcomeWords[outcome] ?? outcome;

/** number groups thousands with thin spaces, as plants in every country read them. */
export function number(n: number | bigint): string {
  return n.toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** plural gives "1 alert" and "2 alerts". */
export function plural(n: number | bigint, one: string, many = `${one}s`): string {
  return `${number(n)}\u00a0${n === 1 || n === 1n ? one : many}`;
}

const units = ["B", "kB", "MB", "GB", "TB"];

/** bytes gives "12.3 kB". */
export function bytes(n: bigint): string {
  let value = Number(n);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}\u00a0${units[unit]}`;
}
