import cytoscape, { type Core, type ElementDefinition, type StylesheetJson } from "cytoscape";
import { iconOf } from "../icons/icons.js";
import type { GetIncidentResponse, GraphNode } from "../gen/spanwatch/v1/web_pb.js";
import { levelWord } from "./words.js";

// cytoscape adds a style element for its container unless one of this id is there; our policy forbids such elements, and
// app.css positions the container itself.
const sheet = "__________cytoscape_stylesheet";

/** color reads a design variable, for the canvas cannot. */
function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function nodeElement(n: GraphNode, step: { x: number; y: number }): ElementDefinition {
  const d = n.device;
  const name = d?.name || n.key;
  const state = n.actor && d?.compromise === "confirmed" ? "\ncompromised" : "";
  return {
    group: "nodes",
    data: { id: n.key, label: (d?.ip && d.ip !== name ? `${name}\n${d.ip}` : name) + state, icon: iconOf(d?.type ?? "") },
    classes: [
      n.actor ? "actor" : "",
      d?.compromise === "confirmed" ? "compromised" : d?.compromise === "suspected" ? "suspected" : "",
      n.level ? "touched" : "",
      n.reach ? "reach" : "",
      n.level,
    ],
    position: { x: n.x * step.x, y: n.y * step.y },
  };
}

/** Beyond so many attacks their labels would cover each other; then only the chosen one has a label. */
const maxLabels = 14;

/** elementsOf gives the nodes at their places, stretched to fill a box, and the edges. */
export function elementsOf(data: GetIncidentResponse, box: { width: number; height: number }): ElementDefinition[] {
  const crowded = data.edges.filter((e) => e.level).length > maxLabels;
  const columns = Math.max(1, ...data.nodes.map((n) => n.x + 1));
  const rows = Math.max(1, ...data.nodes.map((n) => n.y * 2 + 1));
  const step = {
    x: Math.min(340, Math.max(170, (box.width - 150) / Math.max(1, columns - 1))),
    y: Math.min(165, Math.max(104, (box.height - 120) / Math.max(1, rows))),
  };
  return [
    ...data.nodes.map((n) => nodeElement(n, step)),
    ...data.edges.map(
      (e): ElementDefinition => ({
        group: "edges",
        data: { id: `${e.client} ${e.server}`, source: e.client, target: e.server, label: e.level ? levelWord(e.level) : "" },
        classes: [e.level ? "attack" : "ordinary", e.level, crowded ? "crowded" : ""],
      }),
    ),
  ];
}

/** stylesheet is the graph's look in the colours of the moment. */
export function stylesheet(): StylesheetJson {
  const levels = ["contact", "read", "engineering-read", "write", "control", "effect"];
  return [
    {
      selector: "node",
      style: {
        shape: "round-rectangle",
        width: 44,
        height: 44,
        "background-color": color("node"),
        "background-image": "data(icon)",
        "background-width": "26px",
        "background-height": "26px",
        label: "data(label)",
        "text-wrap": "wrap",
        "text-valign": "bottom",
        "text-margin-y": 6,
        "font-family": "Plex Sans",
        "font-size": 12,
        color: color("text"),
        "text-background-color": color("surface"),
        "text-background-opacity": 0.9,
        "text-background-padding": "2px",
        "border-width": 0,
        "overlay-opacity": 0,
      },
    },
    { selector: "node.touched", style: { "border-width": 3, "border-position": "outside" } },
    ...levels.map((l) => ({ selector: `node.touched.${l}`, style: { "border-color": color(l) } })),
    { selector: "node.reach", style: { "border-width": 2, "border-style": "dashed", "border-color": color("line-strong"), "background-opacity": 0.55 } },
    { selector: "node.suspected", style: { "border-width": 3, "border-color": color("compromised"), "border-style": "dashed" } },
    { selector: "node.compromised", style: { "background-color": color("compromised"), "font-weight": 600 } },
    {
      selector: "node.compromised.actor",
      style: { width: 52, height: 52, "border-width": 3, "border-color": color("node-line"), "border-style": "solid", "outline-width": 3, "outline-color": color("compromised"), "outline-offset": 1 },
    },
    {
      selector: "edge",
      style: {
        "curve-style": "bezier",
        "control-point-step-size": 46,
        width: 1.25,
        "line-color": color("edge"),
        "target-arrow-color": color("edge"),
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.8,
        "overlay-opacity": 0,
      },
    },
    {
      selector: "edge.attack",
      style: {
        width: 3,
        "arrow-scale": 1.2,
        "z-index": 2,
        label: "data(label)",
        "font-family": "Plex Sans",
        "font-size": 11,
        "font-weight": 600,
        "text-background-color": color("surface"),
        "text-background-opacity": 1,
        "text-background-padding": "3px",
        "text-background-shape": "roundrectangle",
      },
    },
    ...levels.map((l) => ({
      selector: `edge.attack.${l}`,
      style: { "line-color": color(l), "target-arrow-color": color(l), color: color(l) },
    })),
    { selector: "edge.crowded", style: { width: 1.75, "arrow-scale": 0.9, label: "" } },
    { selector: "edge.attack.chosen", style: { width: 3, label: "data(label)", "z-index": 3 } },
    { selector: ".faded", style: { opacity: 0.16 } },
    { selector: "node.chosen", style: { "outline-width": 3, "outline-color": color("accent"), "outline-offset": 4, "text-margin-y": 11 } },
  ];
}

/** draw puts the graph into a container. */
export function draw(container: HTMLElement, data: GetIncidentResponse): Core {
  if (!document.getElementById(sheet)) {
    const stand = document.createElement("meta");
    stand.id = sheet;
    document.head.append(stand);
  }
  const cy = cytoscape({
    container,
    elements: elementsOf(data, { width: container.clientWidth, height: container.clientHeight }),
    style: stylesheet(),
    layout: { name: "preset", fit: false },
    minZoom: 0.2,
    maxZoom: 2.5,
    boxSelectionEnabled: false,
    autounselectify: true,
  });
  center(cy);
  return cy;
}

/** center shows the whole graph, never larger than life. */
export function center(cy: Core): void {
  cy.fit(undefined, 28);
  if (cy.zoom() > 1.1) {
    cy.zoom(1.1);
    cy.center();
  }
}
