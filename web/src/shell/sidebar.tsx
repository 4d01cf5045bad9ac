import { Link } from "@tanstack/react-router";
import { Ellipsis, Moon, Plus, Search, Sun } from "lucide-react";
import { useState } from "react";
import { Attention } from "@/inbox/attention";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Keys } from "@/ui/tip";
import { Me } from "./me";
import { places } from "./places";
import { setTheme, theme } from "./theme";

export function Sidebar({ compose, palette }: { compose: () => void; palette: () => void }) {
  return (
    <nav aria-label="Pages" className="hidden w-56 shrink-0 flex-col gap-1 border-r bg-panel px-3 py-3.5 sm:flex">
      <div className="mb-2 flex items-center gap-2.5 px-1.5">
        <Mark />
        <span className="flex-1 text-[15px] font-semibold tracking-tight">Cadre</span>
        <ThemeSwitch />
      </div>
      <Button look="primary" onClick={compose} className="w-full">
        <Plus className="size-4" /> New run
      </Button>
      <Button look="quiet" onClick={palette} className="mb-2 w-full justify-start px-2!">
        <Search className="size-4" />
        <span className="flex-1 text-left">Search</span>
        <Keys keys="mod+k" />
      </Button>
      {places.map((group, i) => (
        <ul key={group[0]?.to} className={i ? "mt-3 border-t pt-3" : ""}>
          {group.map(({ to, label, icon: Icon }) => (
            <li key={to}>
              <Link
                to={to}
                activeOptions={{ exact: to === "/" }}
                className="flex h-8.5 items-center gap-2.5 rounded-lg px-2 text-dim hover:bg-hover hover:text-text"
                activeProps={{ className: "bg-hover text-text! font-medium" }}
              >
                <Icon className="size-4" />
                <span className="flex-1">{label}</span>
                {to === "/inbox" && <Attention />}
              </Link>
            </li>
          ))}
        </ul>
      ))}
      <div className="flex-1" />
      <Me />
    </nav>
  );
}

const spot = "relative flex h-14 flex-1 flex-col items-center justify-center gap-0.5 text-[11px] text-dim";

/** PhoneBar is the way around on a phone, where thumbs are. What it has no room for is behind "More". */
export function PhoneBar({ compose, palette }: { compose: () => void; palette: () => void }) {
  const [more, setMore] = useState(false);
  const pages = places.flat();
  return (
    <nav aria-label="Pages" className="flex shrink-0 items-stretch border-t bg-panel pb-[env(safe-area-inset-bottom)] sm:hidden">
      {pages
        .filter((p) => p.phone)
        .map(({ to, label, icon: Icon }) => (
          <Link key={to} to={to} activeOptions={{ exact: to === "/" }} className={spot} activeProps={{ className: "text-accent-text! font-medium" }}>
            <Icon className="size-5" />
            {label}
            {to === "/inbox" && <Attention className="absolute top-1.5 right-1/5" />}
          </Link>
        ))}
      <button type="button" onClick={compose} className={spot}>
        <Plus className="size-5" />
        New run
      </button>
      <button type="button" onClick={() => setMore(true)} className={spot} aria-haspopup="dialog">
        <Ellipsis className="size-5" />
        More
      </button>
      <Dialog side open={more} onClose={() => setMore(false)} title="More">
        <Button className="mb-3 w-full" onClick={() => (setMore(false), palette())}>
          <Search className="size-4" /> Search
        </Button>
        <ul className="-mx-2">
          {pages
            .filter((p) => !p.phone)
            .map(({ to, label, icon: Icon }) => (
              <li key={to}>
                <Link to={to} onClick={() => setMore(false)} className="flex h-12 items-center gap-3 rounded-lg px-3 text-base hover:bg-hover">
                  <Icon className="size-5 text-dim" /> {label}
                </Link>
              </li>
            ))}
        </ul>
        <div className="mt-6 border-t pt-4">
          <Me />
        </div>
      </Dialog>
    </nav>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" className="size-6" aria-hidden>
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M22.5 11.2a7.6 7.6 0 1 0 0 9.6" fill="none" stroke="#fff" strokeWidth="3.2" strokeLinecap="round" />
      <circle cx="17.2" cy="16" r="2.3" fill="#fff" />
    </svg>
  );
}

function ThemeSwitch() {
  const [dark, setDark] = useState(theme() === "dark");
  return (
    <IconButton
      label={dark ? "Light theme" : "Dark theme"}
      onClick={() => {
        setTheme(dark ? "light" : "dark");
        setDark(!dark);
      }}
    >
      {dark ? <Sun /> : <Moon />}
    </IconButton>
  );
}
