import { createContext, useContext } from "react";

/** Composing opens the form for a new run from anywhere on a page. */
export const Composing = createContext<() => void>(() => {});

export function useCompose(): () => void {
  return useContext(Composing);
}
