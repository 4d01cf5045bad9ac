import { Activity, BookOpen, Bot, Boxes, CalendarClock, ChartColumn, Home, Inbox, LockKeyhole, type LucideIcon, Server, Settings, Users } from "lucide-react";

export interface Place {
  to: string;
  label: string;
  icon: LucideIcon;
  keys: string;
  /** phone places are in the bar at the bottom of a phone; the others are behind its "More". */
  phone?: boolean;
}

/** places are the pages of the console in the order in which the sidebar lists them. */
export const places: Place[][] = [
  [
    { to: "/", label: "Home", icon: Home, keys: "g h", phone: true },
    { to: "/runs", label: "Runs", icon: Activity, keys: "g r", phone: true },
    { to: "/inbox", label: "Inbox", icon: Inbox, keys: "g i", phone: true },
  ],
  [
    { to: "/agents", label: "Agents", icon: Bot, keys: "g a" },
    { to: "/skills", label: "Skills", icon: BookOpen, keys: "g k" },
    { to: "/schedules", label: "Schedules", icon: CalendarClock, keys: "g s" },
    { to: "/environments", label: "Environments", icon: Boxes, keys: "g e" },
    { to: "/secrets", label: "Secrets", icon: LockKeyhole, keys: "g x" },
    { to: "/workers", label: "Workers", icon: Server, keys: "g w" },
  ],
  [
    { to: "/usage", label: "Usage", icon: ChartColumn, keys: "g u" },
    { to: "/people", label: "Members and keys", icon: Users, keys: "g m" },
    { to: "/settings", label: "Settings", icon: Settings, keys: "g ," },
  ],
];
