import { createContext, useContext, useState } from "react";

/** Fold says whether everything that folds was last told to open or to shut; count tells one time from the next. */
export interface Fold {
  open?: boolean;
  count: number;
}

export const Folding = createContext<Fold>({ count: 0 });

/** useFold is one thing that folds: as it is by itself, until everything was told otherwise, until it was
 * opened or shut by hand. */
export function useFold(natural: boolean): [boolean, () => void] {
  const all = useContext(Folding);
  const [own, setOwn] = useState<{ open: boolean; count: number }>();
  const open = own && own.count === all.count ? own.open : (all.open ?? natural);
  return [open, () => setOwn({ open: !open, count: all.count })];
}
