import { createContext, useContext } from "react";
import type { Draft } from "./draft";

/** Compose opens the form for a new run, with parts of it filled in. */
export type OpenCompose = (parts?: Partial<Draft>) => void;

export const Composing = createContext<OpenCompose>(() => {});

export function useCompose(): OpenCompose {
  return useContext(Composing);
}
