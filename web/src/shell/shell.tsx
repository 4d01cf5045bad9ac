import { Outlet } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { Compose } from "@/compose/compose";
import { Composing } from "@/compose/open";
import { useLiveRuns } from "@/runs/queries";
import { Connection } from "./connection";
import { Palette } from "./palette";
import { PhoneBar, Sidebar } from "./sidebar";
import { useShortcuts } from "./shortcuts";

/** Shell is what stays while pages come and go: the ways to them, the palette, and "new run". */
export function Shell() {
  const [palette, setPalette] = useState(false);
  const [composing, setComposing] = useState(false);
  const compose = useCallback(() => setComposing(true), []);
  useLiveRuns();
  useShortcuts({ palette: () => setPalette(true), compose });
  return (
    <div className="flex h-full flex-col sm:flex-row">
      <Sidebar compose={compose} palette={() => setPalette(true)} />
      <main className="relative flex min-h-0 min-w-0 flex-1 flex-col" id="content" tabIndex={-1}>
        <Connection />
        <Composing value={compose}>
          <Outlet />
        </Composing>
      </main>
      <PhoneBar compose={compose} />
      <Palette open={palette} close={() => setPalette(false)} compose={compose} />
      <Compose open={composing} close={() => setComposing(false)} />
    </div>
  );
}
