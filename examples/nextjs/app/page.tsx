/** A server component: the count is read while the page is rendered, and no token reaches the browser. */
import { presence } from "../lib/presence.ts";

export const dynamic = "force-dynamic";

export default async function Page() {
  const counts = await presence()
    .counts()
    .catch((error: unknown) => {
      console.error(error);
      return null; // a page without the number is better than none
    });
  return <p>{counts === null ? "Online: not known now" : `${counts.users} online`}</p>;
}
