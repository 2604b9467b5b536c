import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { IncidentService, InventoryService } from "../gen/spanwatch/v1/web_pb.js";

const transport = createConnectTransport({ baseUrl: location.origin });

export const incidents = createClient(IncidentService, transport);
export const inventory = createClient(InventoryService, transport);

/** reasonOf says in a sentence what went wrong. */
export function reasonOf(error: unknown): string {
  const e = ConnectError.from(error);
  if (e.code === Code.NotFound || e.code === Code.Internal) return e.rawMessage;
  return `The collector did not answer (${e.rawMessage}).`;
}

/** isMissing says that what was asked for is not there, and that asking again will not help. */
export function isMissing(error: unknown): boolean {
  return ConnectError.from(error).code === Code.NotFound;
}
