import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Assets are addressed relative to the document's base, which the server writes into index.html, so
// that the app works behind any path prefix.
export default defineConfig({
  base: "./",
  plugins: [react(), tailwind()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: { outDir: "dist", emptyOutDir: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 700, modulePreload: { polyfill: false } },
  // npm run dev talks to a server that runs elsewhere, signed in with a key from the environment.
  server: {
    proxy: Object.fromEntries(
      ["/api", "/sign-in", "/sign-out"].map((path) => [
        path,
        {
          target: process.env.CADRE_SERVER_URL ?? "http://127.0.0.1:8787",
          headers: process.env.CADRE_API_KEY ? { Authorization: `Bearer ${process.env.CADRE_API_KEY}` } : {},
        },
      ]),
    ),
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
});
