import { Outlet } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useState } from "react";
import type { Draft } from "@/compose/draft";
import { Composing } from "@/compose/open";
import { useNotices } from "@/notices/use";
import { useLiveRuns } from "@/runs/queries";
import { Connection } from "./connection";
import { PhoneBar, Sidebar } from "./sidebar";
import { useShortcuts } from "./shortcuts";

/** What opens on demand is loaded on demand. */
const Palette = lazy(() => import("./palette").then(({ Palette }) => ({ default: Palette })));
const Compose = lazy(() => import("@/compose/compose").then(({ Compose }) => ({ default: Compose })));

/** Shell is what stays while pages come and go: the ways to them, the palette, and "new run". */
export function Shell() {
  const [palette, setPalette] = useState(false);
  const [composing, setComposing] = useState(false);
  // Once it was open the form stays, with the files that were attached to it.
  const [composed, setComposed] = useState(false);
  const [given, setGiven] = useState<Partial<Draft>>();
  const compose = useCallback((parts?: Partial<Draft>) => {
    setGiven(parts);
    setComposed(true);
    setComposing(true);
  }, []);
  useLiveRuns();
  useNotices();
  useShortcuts({ palette: () => setPalette(true), compose: () => compose() });
  return (
    <div className="flex h-full flex-col sm:flex-row">
      <Sidebar compose={() => compose()} palette={() => setPalette(true)} />
      <main className="relative flex min-h-0 min-w-0 flex-1 flex-col" id="content" tabIndex={-1}>
        <Connection />
        <Composing value={compose}>
          <Outlet />
        </Composing>
      </main>
      <PhoneBar compose={() => compose()} palette={() => setPalette(true)} />
      <Suspense>
        {palette && <Palette open close={() => setPalette(false)} compose={() => compose()} />}
        {composed && <Compose open={composing} given={given} close={() => setComposing(false)} />}
      </Suspense>
    </div>
  );
}
