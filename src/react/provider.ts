/** Which client the hooks below ask. */
import { createContext, createElement, type ReactElement, type ReactNode, useContext } from "react";
import { invalid } from "../core/options.ts";
import type { Client } from "../client/client.ts";

export interface RollcallProviderProps {
  /** What createClient() of `rollcall/client` returned: one for the page, made outside of any component. */
  readonly client: Client;
  readonly children?: ReactNode;
}

const ClientContext = createContext<Client | undefined>(undefined);

/** Gives the hooks below it their client. Opens nothing itself. */
export function RollcallProvider({ client, children }: RollcallProviderProps): ReactElement {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** Throws PresenceError OPTIONS_INVALID where there is no provider. */
export function useClient(hook: string): Client {
  return (
    useContext(ClientContext) ?? invalid(`${hook} needs a <RollcallProvider client={…}> around its component`)
  );
}
