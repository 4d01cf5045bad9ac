import { Outlet } from "@tanstack/react-router";
import { useState } from "react";
import { Compose } from "@/compose/compose";
import { useLiveRuns } from "@/runs/queries";
import { Connection } from "./connection";
import { Palette } from "./palette";
import { PhoneBar, Sidebar } from "./sidebar";
import { useShortcuts } from "./shortcuts";

/** Shell is what stays while pages come and go: the ways to them, the palette, and "new run". */
export function Shell() {
  const [palette, setPalette] = useState(false);
  const [composing, setComposing] = useState(false);
  useLiveRuns();
  useShortcuts({ palette: () => setPalette(true), compose: () => setComposing(true) });
  return (
    <div className="flex h-full flex-col sm:flex-row">
      <Sidebar compose={() => setComposing(true)} palette={() => setPalette(true)} />
      <main className="relative flex min-h-0 min-w-0 flex-1 flex-col" id="content" tabIndex={-1}>
        <Connection />
        <Outlet />
      </main>
      <PhoneBar compose={() => setComposing(true)} />
      <Palette open={palette} close={() => setPalette(false)} compose={() => setComposing(true)} />
      <Compose open={composing} close={() => setComposing(false)} />
    </div>
  );
}
