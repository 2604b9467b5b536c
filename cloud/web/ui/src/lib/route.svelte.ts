/** Where the reader is. Pages are addresses: whatever is selected is in the address and survives a reload or a link. */
class Route {
  path = $state(location.pathname);
  search = $state(location.search);
  query = $derived(new URLSearchParams(this.search));
}

export const route = new Route();

function update(): void {
  route.path = location.pathname;
  route.search = location.search;
}

/** navigate goes to an address of these pages. */
export function navigate(href: string, options: { replace?: boolean } = {}): void {
  const target = new URL(href, location.href);
  if (target.href === location.href) return;
  if (options.replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  update();
}

let arrivedAt = location.pathname; // the page that was loaded as a document speaks for itself
let moved = false;

/**
 * arrive gives the heading of a new page the focus, so that those who listen hear where they are. A heading that stood in
 * while the page was loading hands the focus on to the real one.
 */
export function arrive(heading: HTMLElement): void {
  const orphaned = moved && document.activeElement === document.body;
  if (arrivedAt === location.pathname && !orphaned) return;
  arrivedAt = location.pathname;
  moved = true;
  heading.focus({ preventScroll: true });
}

/** withQuery gives the present address with some parts of its query changed; an empty value takes a part away. */
export function withQuery(changes: Record<string, string>): string {
  const query = new URLSearchParams(route.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value) query.set(key, value);
    else query.delete(key);
  }
  const text = query.toString();
  return text ? `${route.path}?${text}` : route.path;
}

/** follow makes links to these pages change the address without loading the document anew. */
export function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download") || link.hash) return;
  event.preventDefault();
  navigate(link.href);
}

window.addEventListener("popstate", update);
