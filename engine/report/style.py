"""The page's own rules: light and dark by the reader's setting, one column where there is no room.

Colours of kinds are told apart by people who see few colours too (after Okabe and Ito); what a
colour says is also said in words.
"""

RULES = """
:root {
  color-scheme: light dark;
  --paper: #f4f5f7; --card: #ffffff; --ink: #1a2230; --soft: #5b6675; --line: #dde2e9;
  --accent: #1f5fae; --good: #1c7c54; --bad: #b3261e; --dim: #8b95a3; --band: #bcd3ef;
  --tone0: #c8401a; --tone1: #1f6fb5; --tone2: #b57a00; --tone3: #00836a;
  --tone4: #a14f86; --tone5: #3e8fc9; --tone6: #6b5b95; --tone7: #6f7782;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #10151c; --card: #18202a; --ink: #e6ebf2; --soft: #9aa7b6; --line: #2c3744;
    --accent: #7fb4f0; --good: #58c394; --bad: #ff8a7d; --dim: #6d7988; --band: #2f5583;
    --tone0: #f0744c; --tone1: #5fa8e6; --tone2: #e3ab35; --tone3: #35bd9f;
    --tone4: #d488bb; --tone5: #86c6f2; --tone6: #a99bd6; --tone7: #a5aeba;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1240px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
footer { padding: 24px 20px 40px; color: var(--soft); font-size: 13px; }
h1 { font-size: 24px; line-height: 1.25; margin: 2px 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 10px; padding-bottom: 6px;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 15px; margin: 0 0 8px; }
section { scroll-margin-top: 8px; }
code { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .92em; overflow-wrap: anywhere; }
.kicker { margin: 0; color: var(--accent); font-weight: 600; letter-spacing: .02em; }
.facts { margin: 4px 0; color: var(--soft); font-size: 13.5px; overflow-wrap: anywhere; }
.none { color: var(--soft); font-size: 13.5px; }
.note { border-left: 3px solid var(--accent); padding: 4px 12px; margin: 8px 0;
  background: var(--card); overflow-wrap: anywhere; }
.note.fault { border-color: var(--bad); }
p.good { color: var(--good); font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 16px 0 0; font-size: 14px; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 16px 18px; margin: 0 0 16px; min-width: 0; }
.tiles { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 12px;
  margin-top: 16px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 14px; border-top: 3px solid var(--accent); min-width: 0; }
.tile span { display: block; font-size: 13px; color: var(--soft); }
.tile b { display: block; font-size: 25px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile small { display: block; color: var(--soft); line-height: 1.35; overflow-wrap: anywhere; }
.tile.bad { border-top-color: var(--bad); } .tile.bad b { color: var(--bad); }
.tile.good { border-top-color: var(--good); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; color: var(--soft); font-weight: 500; white-space: nowrap; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
td small { display: block; color: var(--soft); line-height: 1.35; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td code { white-space: nowrap; } td code.hash { white-space: normal; font-size: 12px; }
.alarmed { color: var(--bad); font-weight: 600; }
.bar { display: inline-block; width: 72px; height: 9px; border-radius: 2px;
  background: var(--line); vertical-align: middle; }
.bar span { display: block; height: 100%; border-radius: 2px; background: var(--accent); }
.bar.against span { background: var(--dim); }
.kind h3 { font-size: 17px; display: flex; align-items: center; gap: 8px; }
.kind h3 i, .key i { width: 12px; height: 12px; border-radius: 3px; display: inline-block; }
.count { color: var(--soft); font-weight: 500; font-size: 14px; margin-left: 8px;
  white-space: nowrap; }
.chip { display: inline-block; border: 1px solid var(--line); border-radius: 12px;
  padding: 0 9px; margin: 2px 6px 2px 0; color: var(--ink); }
details { border-top: 1px solid var(--line); padding: 8px 0 2px; margin-top: 8px; }
.folded details { border: 0; padding: 0; margin: 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.features td { vertical-align: middle; }
.features td:nth-child(1) { width: 44%; } .features td:nth-child(1) code { white-space: normal; }
.features td:nth-child(3) { width: 30%; min-width: 170px; }
.standing td { vertical-align: middle; } .standing td:nth-child(4) { min-width: 150px; width: 26%; }
.standing td:nth-child(5) { color: var(--soft); }
.strip { display: block; width: 100%; height: 20px; overflow: visible; }
.rail { stroke: var(--line); stroke-width: 2; }
.band { fill: var(--band); } .middle { stroke: var(--accent); stroke-width: 2; }
.mark { fill: var(--good); stroke: var(--card); stroke-width: 1.5; }
.mark.outside { fill: var(--bad); }
.row { margin: 10px 0 4px; }
.head { display: flex; justify-content: space-between; font-size: 13.5px; }
.head span { color: var(--soft); }
.chart { display: block; width: 100%; height: 74px; border-bottom: 1px solid var(--line); }
.chart rect { fill: var(--accent); }
.cut { stroke: var(--dim); stroke-width: 1; stroke-dasharray: 4 4;
  vector-effect: non-scaling-stroke; }
.axis { position: relative; height: 22px; font-size: 12px; color: var(--soft); }
.tick { position: absolute; top: 2px; white-space: nowrap; }
.legend { margin: 4px 0 0; font-size: 13px; }
.key { display: inline-flex; align-items: center; gap: 6px; margin-right: 16px; }
.panels { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 16px; }
.panels figure { margin: 0 0 16px; }
.panels figure:first-child { grid-column: 1 / -1; display: grid; gap: 0 28px;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); align-content: start; }
.panels figure:first-child figcaption { grid-column: 1 / -1; }
figcaption { font-weight: 600; margin-bottom: 8px; }
.diagram { display: block; width: 100%; max-width: 620px; height: auto; }
.diagram text { font-size: 13px; fill: var(--ink); paint-order: stroke; stroke: var(--card);
  stroke-width: 3px; stroke-linejoin: round; }
.strong { font-weight: 650; }
.node { fill: var(--accent); } .node.good { fill: var(--good); } .node.bad { fill: var(--bad); }
.node.dim { fill: var(--dim); }
.ribbon { fill: var(--accent); opacity: .22; } .ribbon.good { fill: var(--good); }
.ribbon.bad { fill: var(--bad); opacity: .32; } .ribbon.dim { fill: var(--dim); }
.ribbon:hover { opacity: .5; }
.sum { margin: 8px 0 0; font-size: 13px; color: var(--soft); font-variant-numeric: tabular-nums; }
.findings { padding-left: 20px; font-size: 13.5px; } .findings b { color: var(--good); }
.findings .wrong b { color: var(--bad); } .findings .open b { color: var(--soft); }
.tables { display: grid; grid-template-columns: minmax(0, 6fr) minmax(0, 5fr); gap: 0 16px;
  align-items: start; }
.flowing { columns: 2; column-gap: 16px; margin-bottom: 16px; }
.flowing .card { break-inside: avoid; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 16px; margin: 0;
  font-size: 13.5px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.tone0 { fill: var(--tone0) !important; background: var(--tone0); }
.tone1 { fill: var(--tone1) !important; background: var(--tone1); }
.tone2 { fill: var(--tone2) !important; background: var(--tone2); }
.tone3 { fill: var(--tone3) !important; background: var(--tone3); }
.tone4 { fill: var(--tone4) !important; background: var(--tone4); }
.tone5 { fill: var(--tone5) !important; background: var(--tone5); }
.tone6 { fill: var(--tone6) !important; background: var(--tone6); }
.tone7 { fill: var(--tone7) !important; background: var(--tone7); }
@media (max-width: 900px) {
  .panels, .tables, .panels figure:first-child { grid-template-columns: minmax(0, 1fr); }
  .flowing { columns: 1; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 600px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  .card { padding: 12px; } .tick.minor { display: none; } .bar { width: 48px; }
  .diagram text { font-size: 15px; }
  h1 { font-size: 20px; } .tile b { font-size: 21px; }
  .features thead { display: none; }
  .features tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; padding: 8px 0;
    border-bottom: 1px solid var(--line); }
  .features td, .features td:nth-child(n) { border: 0; width: auto; padding: 2px 0; min-width: 0; }
  .features td:nth-child(3) { grid-column: 1 / 3; padding: 0 4px; }
  .features td:nth-child(4), .features td:nth-child(5) { display: none; }
  .standing thead, .standing td:nth-child(5) { display: none; }
  .standing tr { display: grid; grid-template-columns: minmax(0, 1fr) auto auto; padding: 6px 0;
    border-bottom: 1px solid var(--line); }
  .standing td, .standing td:nth-child(n) { border: 0; width: auto; min-width: 0; }
  .standing td:nth-child(4) { grid-column: 1 / 4; padding: 0 4px; }
}
@media print {
  body { background: #fff; } .card, .tile { break-inside: avoid; } nav { display: none; }
}
"""
