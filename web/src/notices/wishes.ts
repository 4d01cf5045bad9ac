import { useSyncExternalStore } from "react";
import { kinds, type Wishes } from "./notice";

const storage = "cadre.notices";
const watchers = new Set<() => void>();
let now = read();

function read(): Wishes {
  try {
    const kept = JSON.parse(localStorage.getItem(storage) ?? "{}") as Partial<Wishes>;
    return { kinds: kinds.filter((k) => kept.kinds?.includes(k)), everybody: kept.everybody === true };
  } catch {
    return { kinds: [], everybody: false };
  }
}

export function wishes(): Wishes {
  return now;
}

export function wish(next: Wishes) {
  now = next;
  try {
    localStorage.setItem(storage, JSON.stringify(next));
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  for (const tell of watchers) tell();
}

export function useWishes(): Wishes {
  return useSyncExternalStore(
    (tell) => (watchers.add(tell), () => watchers.delete(tell)),
    () => now,
  );
}
