import { Link } from "@tanstack/react-router";
import { Moon, Plus, Search, Sun } from "lucide-react";
import { useState } from "react";
import { Attention } from "@/inbox/attention";
import { Button, IconButton } from "@/ui/button";
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

/** PhoneBar is the way around on a phone, where thumbs are. */
export function PhoneBar({ compose }: { compose: () => void }) {
  return (
    <nav aria-label="Pages" className="flex shrink-0 items-stretch border-t bg-panel pb-[env(safe-area-inset-bottom)] sm:hidden">
      {places
        .flat()
        .filter((p) => p.phone)
        .map(({ to, label, icon: Icon }) => (
          <Link
            key={to}
            to={to}
            activeOptions={{ exact: to === "/" }}
            className="relative flex h-14 flex-1 flex-col items-center justify-center gap-0.5 text-[11px] text-dim"
            activeProps={{ className: "text-accent-text! font-medium" }}
          >
            <Icon className="size-5" />
            {label}
            {to === "/inbox" && <Attention className="absolute top-1.5 right-1/4" />}
          </Link>
        ))}
      <button type="button" onClick={compose} className="flex h-14 flex-1 flex-col items-center justify-center gap-0.5 text-[11px] text-dim">
        <Plus className="size-5" />
        New run
      </button>
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
