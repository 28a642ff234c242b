import { visible } from "./words.ts";

/** An id that anybody may have chosen: isolated from the text around it, and with nothing invisible in it. */
export function Id({ id }: { readonly id: string }) {
  const text = visible(id);
  return (
    <bdi class="id" title={text.length > 32 ? text : undefined}>
      {text}
    </bdi>
  );
}
