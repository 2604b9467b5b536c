// Addresses of the device icons, white on nothing, for the graph's canvas.
import plc from "./plc.svg";
import hmi from "./hmi.svg";
import engineeringStation from "./engineering-station.svg";
import scadaServer from "./scada-server.svg";
import historian from "./historian.svg";
import gateway from "./gateway.svg";
import drive from "./drive.svg";
import io from "./io.svg";
import safety from "./safety.svg";
import network from "./network.svg";
import workstation from "./workstation.svg";
import server from "./server.svg";
import camera from "./camera.svg";
import unknown from "./unknown.svg";

const byType: Record<string, string> = {
  plc: plc,
  hmi: hmi,
  "engineering-station": engineeringStation,
  "scada-server": scadaServer,
  historian: historian,
  gateway: gateway,
  drive: drive,
  io: io,
  safety: safety,
  network: network,
  workstation: workstation,
  server: server,
  camera: camera,
};

/** iconOf gives the address of a device type's icon. */
export function iconOf(type: string): string {
  return byType[type] ?? unknown;
}
