import type { Alert } from "../gen/spanwatch/v1/model_pb.js";
import type { GetIncidentResponse, GraphNode, IncidentAlert } from "../gen/spanwatch/v1/web_pb.js";
import { plural } from "./words.js";

export type Told = IncidentAlert & { alert: Alert };

/** Story is an incident with the look-ups that its parts share. */
export class Story {
  readonly alerts: Told[];
  private readonly byKey: Map<string, GraphNode>;

  constructor(readonly data: GetIncidentResponse) {
    this.alerts = data.alerts.filter((a): a is Told => a.alert !== undefined);
    this.byKey = new Map(data.nodes.map((n) => [n.key, n]));
  }

  get site(): string {
    return this.data.incident?.site ?? "";
  }

  node(key: string): GraphNode | undefined {
    return this.byKey.get(key);
  }

  /** nameOf gives what the device is called; one that the graph leaves out is called by its address. */
  nameOf(key: string, ip = ""): string {
    return this.node(key)?.device?.name || ip || key || "unknown";
  }

  actorOf = (a: Alert): string => this.nameOf(actorKey(a), a.actorIp);
  targetOf = (a: Alert): string => this.nameOf(targetKey(a), a.targetIp);

  alert(id: string): Told | undefined {
    return this.alerts.find((a) => a.alert.id === id);
  }

  /** about gives the alerts in which a device is the actor or the target. */
  about(key: string): Told[] {
    return this.alerts.filter((a) => actorKey(a.alert) === key || targetKey(a.alert) === key);
  }
}

/** The name of an end in the graph: the device's id, or the address of what has none. */
export const actorKey = (a: Alert): string => a.actor || a.actorIp;
export const targetKey = (a: Alert): string => a.target || a.targetIp;

/**
 * amountOf says how much an alert is made of: "15 messages". Where nothing but contact was seen the sensor counts
 * conversations. The number is over the whole alert and belongs to no single message of it.
 */
export const amountOf = (a: Alert): string => plural(a.count, a.level === "contact" ? "conversation" : "message");
