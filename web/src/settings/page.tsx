import { useState } from "react";
import { Page } from "@/shell/page";
import { setTheme, type Theme, theme } from "@/shell/theme";
import { Choose } from "@/ui/choose";
import { Account, Password } from "./account";
import { Notices } from "./notices";
import { Section } from "./section";
import { SignIns } from "./sign-ins";

/** SettingsPage is what is the viewer's own: the account, where it is signed in, and how this browser behaves. */
export function SettingsPage() {
  const [look, setLook] = useState<Theme>(theme());
  return (
    <Page title="Settings" hint="Your account, and this browser">
      <div className="max-w-3xl space-y-8">
        <Section title="Appearance" hint="Kept in this browser">
          <Choose
            label="Theme"
            value={look}
            options={[
              ["dark", "Dark"],
              ["light", "Light"],
            ]}
            change={(next) => {
              setTheme(next);
              setLook(next);
            }}
          />
        </Section>
        <Notices />
        <Account />
        <Password />
        <SignIns />
      </div>
    </Page>
  );
}
