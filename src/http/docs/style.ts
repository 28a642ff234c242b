/** The styles of GET /docs. One column; from 60rem on the list of routes stands beside it. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d5dae0;--box:#f5f7f9;--link:#0550ae}
@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--fg:#e3e8ee;--dim:#9aa5b1;--line:#303741;--box:#171c23;--link:#79b8ff}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0 auto;padding:1rem;max-width:72rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
a:focus-visible,pre:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;background:var(--bg)}
h1{margin:0;font-size:1.5rem}
h1 small,dt small,i{color:var(--dim);font-weight:400;font-style:normal}
h2{margin:2.5rem 0 0;font-size:1.25rem;text-transform:capitalize}
h3{margin:2rem 0 0;font:600 1rem/1.5 ui-monospace,monospace}
h3:target{background:var(--box)}
h4{margin:1rem 0 .25rem;font-size:.875rem;color:var(--dim)}
h3 b,nav b{color:var(--dim);font-weight:400}
p{margin:.5rem 0}
code,pre{font:.875rem/1.5 ui-monospace,monospace}
pre{margin:.25rem 0;padding:.75rem;background:var(--box);border:1px solid var(--line);border-radius:6px;white-space:pre-wrap}
dl{margin:0;display:grid;gap:.25rem 1rem}
dt{font-weight:600}
dd{margin:0 0 .5rem}
dd p{margin:0}
dd code{color:var(--dim);white-space:pre-wrap}
dt small{font-size:.875rem}
ul{list-style:none;margin:0;padding:0}
nav>ul>li{margin-top:.75rem;text-transform:capitalize}
nav li li{font:.875rem/1.7 ui-monospace,monospace;text-transform:none}
nav a{display:inline-block;min-height:24px;text-decoration:none}
nav a:hover{text-decoration:underline}
@media(min-width:40rem){dl{grid-template-columns:minmax(8rem,auto) 1fr}dd{margin:0}}
@media(min-width:60rem){body{display:grid;grid-template-columns:17rem minmax(0,1fr);gap:0 3rem}header{grid-column:1/-1}nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow:auto;padding-bottom:1rem}}
`;
