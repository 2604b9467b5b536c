import { isMissing, reasonOf } from "./api.js";

/** How long what is shown may be old, in milliseconds. */
const freshness = 15_000;

/** Resource is something the collector was asked for: the last answer stays while a newer one is on its way. */
export class Resource<T> {
  value = $state.raw<T>();
  error = $state("");
  missing = $state(false);
  updated = $state.raw<Date>();
}

/**
 * load asks the collector as soon as, and whenever, what `ask` reads changes, and again from time to time while the page
 * is visible. `ask` gets a signal that ends the request when its answer is no longer wanted. `key` names what is asked
 * for: when it changes, the old answer is not shown any more.
 */
export function load<T>(key: () => string, ask: (signal: AbortSignal) => Promise<T>): Resource<T> & { again: () => void } {
  const resource = new Resource<T>();
  let turn = $state(0);
  let shown = "";

  $effect(() => {
    void turn;
    const name = key();
    if (name !== shown) {
      shown = name;
      resource.value = undefined;
      resource.missing = false;
    }
    const abort = new AbortController();
    ask(abort.signal).then(
      (value) => {
        if (abort.signal.aborted) return;
        resource.value = value;
        resource.error = "";
        resource.missing = false;
        resource.updated = new Date();
      },
      (error) => {
        if (abort.signal.aborted) return;
        resource.error = reasonOf(error);
        resource.missing = isMissing(error);
      },
    );
    return () => abort.abort();
  });

  $effect(() => {
    const timer = setInterval(() => {
      if (!document.hidden && !resource.missing) turn++;
    }, freshness);
    return () => clearInterval(timer);
  });

  return Object.assign(resource, { again: () => void turn++ });
}
