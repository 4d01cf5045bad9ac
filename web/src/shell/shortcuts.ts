import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { places } from "./places";

/** typing reports whether a key belongs to whatever has the focus. */
export function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** useShortcuts listens for what works on every page: mod+k, n, and "g" followed by a place's letter. */
export function useShortcuts(acts: { palette: () => void; compose: () => void }) {
  const navigate = useNavigate();
  const latest = useRef(acts);
  latest.current = acts;
  useEffect(() => {
    let going = 0;
    const heard = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        latest.current.palette();
        return;
      }
      if (e.metaKey || e.ctrlKey || e.altKey || typing(e.target)) return;
      if (Date.now() - going < 1200) {
        going = 0;
        const place = places.flat().find((p) => p.keys === `g ${e.key}`);
        if (place) {
          e.preventDefault();
          void navigate({ to: place.to });
          return;
        }
      }
      if (e.key === "g") going = Date.now();
      if (e.key === "n") {
        e.preventDefault();
        latest.current.compose();
      }
    };
    window.addEventListener("keydown", heard);
    return () => window.removeEventListener("keydown", heard);
  }, [navigate]);
}
