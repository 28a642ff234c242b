/** The styles of GET /docs, in the colours of the dashboard. One column; from 60rem on the list of routes stands beside it. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#17181c;--dim:#5d616b;--line:#e5e5e9;--box:#f7f7f8;--link:#4f46e5;--post:#a15c00;--get:#137333}
@media(prefers-color-scheme:dark){:root{--bg:#0b0c0e;--fg:#ededf0;--dim:#9a9faa;--line:#24262b;--box:#15161a;--link:#a5a2ff;--post:#e0a33c;--get:#4ac274}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem;-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:74rem;background:var(--bg);color:var(--fg);font:15px/1.55 Inter,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
a{color:var(--link);text-underline-offset:2px}
a:focus-visible,pre:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;background:var(--bg)}
header{padding-bottom:1rem;border-bottom:1px solid var(--line)}
h1{margin:0;font-size:1.5rem;letter-spacing:-.015em}
h1 small,dt small,i{color:var(--dim);font-weight:400;font-style:normal}
h2{margin:3rem 0 0;font-size:1.25rem;letter-spacing:-.01em;text-transform:capitalize}
h3{margin:0;font:600 1rem/1.5 ui-monospace,SFMono-Regular,Menlo,monospace}
section>h3{margin-top:1.75rem}
h3:target{background:var(--box);box-shadow:0 0 0 .35rem var(--box);border-radius:2px}
h4{margin:1.25rem 0 .35rem;font-size:.8125rem;font-weight:600;color:var(--dim)}
h3 b,nav b{font-weight:600;color:var(--get)}
.post b,nav .post b{color:var(--post)}
h3 b{padding:.1rem .45rem;margin-right:.25rem;border:1px solid var(--line);border-radius:6px;background:var(--box);font-size:.8125rem}
article{padding:1.5rem 0;border-bottom:1px solid var(--line)}
article:last-child{border-bottom:0}
p{margin:.5rem 0;max-width:72ch}
code,pre{font:.8125rem/1.55 ui-monospace,SFMono-Regular,Menlo,monospace}
pre{margin:.25rem 0;padding:.75rem .9rem;background:var(--box);border:1px solid var(--line);border-radius:8px;white-space:pre-wrap}
dl{margin:0;display:grid;gap:.3rem 1rem}
dt{font-weight:600}
dd{margin:0 0 .5rem}
dd p{margin:0}
dd code{color:var(--dim);white-space:pre-wrap}
dt small{font-size:.8125rem}
.answers{grid-template-columns:2.5rem minmax(0,1fr);font-variant-numeric:tabular-nums}
.answers dd{margin:0}
ul{list-style:none;margin:0;padding:0}
nav>ul>li{margin-top:.9rem}
nav>ul>li>a{color:var(--fg);font-weight:600;font-size:.875rem;text-transform:capitalize}
nav li li{font:.8125rem/1.75 ui-monospace,SFMono-Regular,Menlo,monospace}
nav li li a{color:var(--dim)}
nav b{display:inline-block;width:2.35rem;font-size:.6875rem}
nav a{display:inline-block;min-height:24px;text-decoration:none}
nav a:hover{color:var(--link);text-decoration:underline}
@media(min-width:40rem){dl:not(.answers){grid-template-columns:minmax(8rem,auto) 1fr}dd{margin:0}}
@media(min-width:60rem){body{display:grid;grid-template-columns:16rem minmax(0,1fr);gap:0 3.5rem}header{grid-column:1/-1}main{padding-top:1rem}nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow:auto;padding:.25rem 0 1rem}}
`;
