// All words of the page, in English and German. The browser's language chooses.

const en = {
  projects: "Projects", project: "Project", newProject: "New project", name: "Name", broker: "Broker", client: "Client",
  topic: "Topic", state: "State", methods: "Methods", bucketSize: "Bucket size", delay: "Delay", workers: "Workers",
  details: "Details", actions: "Actions", start: "Start", stop: "Stop", restart: "Restart", anew: "Start anew", duplicate: "Duplicate",
  remove: "Delete", edit: "Edit", save: "Save", filter: "Filter", rowsPerSecond: "rows/s", rho: "rho", p99: "p99",
  idle: "idle", starting: "starting", running: "running", stopping: "stopping", connecting: "connecting", disconnected: "disconnected", stalled: "stalled", deleted: "This project was deleted.", noRows: "no rows", done: "done", failed: "failed",
  create: "Create", cancel: "Cancel", nameOfNew: "Name of the project (letters, digits, - and _)", nameOfCopy: "Name of the copy",
  reallyAnew: "Start {0} anew? Its results are replaced, and what it has finished is forgotten.",
  reallyRemove: "Delete the project {0} and what is kept of its runs? Its results stay.", none: "There are no projects yet. Make one with New project, or put a dataflow file, NAME.toml, into the folder.",
  noMatch: "No project matches the filter.", lost: "The connection to the server is lost. Trying again.",
  signIn: "Sign in", signOut: "Sign out", user: "User", password: "Password", viewer: "You may look, and change nothing.",
  source: "Source", sink: "Sink", throughput: "Throughput", latencyOverTime: "Latency over time",
  latencyCurve: "Latency by percentile", utilization: "Utilization rho", waiting: "Messages waiting",
  dataflow: "Dataflow", dataflowHelp: "Mean service time a message, on the first worker. ⇒: messages may come from another worker.", deadLetters: "Dead letters", tooLate: "Too late", badCells: "Bad cells",
  noLetters: "No row was refused.", reason: "Reason", subtask: "Subtask", position: "Position", raw: "Raw", results: "Last results",
  resultsHelp: "The first rows of message {0}: what came in, and what the chain made of it.", before: "Before", after: "After",
  column: "Column", log: "Log", report: "Report", noReport: "A run writes its report when it ends.", noRun: "This project has not run yet.",
  rowsIn: "Rows in", rowsDone: "Rows done", dropped: "Dropped", inFlight: "In flight", queued: "Queued", seconds: "seconds",
  messages: "messages", rows: "rows", percentile: "percentile", planner: "Planner", behind: "Rows wait before the dataflow: more arrives than the workers serve, or a file is read as fast as they can.",
  plannerHelp: "At the arrivals of the last second and this run's service times (G/G/c, Poisson arrivals):",
  meanWait: "mean wait", toml: "TOML", form: "Form", preview: "Preview", previewHelp: "Runs the chain over up to 20 rows of the source, or generated ones.",
  runPreview: "Run the preview", testConnection: "Test the connection", connected: "The source answered after {0} ms.", propose: "Propose from payloads", proposeHelp: "Looks at some payloads of the source, and fills in format, paths, schema and time", proposed: "Made from {0} rows of the source.", proposedLate: "The file has changed meanwhile: propose again.", fromSource: "Rows of the source.",
  fromGenerator: "The source had no rows in time: these are generated.", rejectedRows: "Rows that can't be read", addSubtask: "Add a subtask",
  up: "Move up", down: "Move down", removeSubtask: "Remove", dragHelp: "Drag to another place", default: "default", line: "Line",
  saved: "Saved.", savedRunning: "Saved. The run goes on with what it began with; restart it.", unsaved: "Not saved yet.",
  title: "Name in reports", description: "Details", processes: "Processes", placement: "Placement", qos: "Quality of service", login: "Login",
  maxPayload: "Longest payload (bytes)", session: "Keep a session at the broker", connectTimeout: "Connect timeout", reconnectTimeout: "Reconnect timeout", ca: "CA file",
  certificate: "Client certificate", key: "Its key", parts: "One file a process", properties: "Message and row as MQTT 5 properties", buffer: "Buffer", deadLetter: "Dead letters to", url: "Address",
  urlHelp: "mqtt://host:port/topic, a file of this folder, or generate:rows=N", sinkHelp: "a .ndjson, .csv or .parquet file, mqtt://host:port/topic, or null",
  schema: "Schema", notNumber: "This is not a number.", notPairs: "Pairs with commas between them, such as ON = 1, OFF = 0.", notOneOf: "It is one of: {0}.", other: "given as a table: see the TOML", since: "since", loading: "Loading",
  parameters: "Parameters", sortBy: "Sort by {0}", pause: "Pause the charts", resume: "Go on", passwordHelp: "a text; or password.env or password.file below says where it is",
  workersHelp: "threads a process", full: "1: workers never rest", columns: "Columns before and after", skip: "Skip to the content", missing: "missing", tables: "Tables", table: "Table", tableHelp: "The newest windows, as of message {0}",
  startingUp: "The run has not told anything yet.",
  presentation: "Charts of results", chart: "Chart", chart_line: "Line", chart_histogram: "Histogram", chart_scatter: "Points", chart_labels: "Prediction beside label", chart_residuals: "Residuals", chart_threshold: "Scores and a threshold",
  behindStep: "Step", over: "Over", row: "row", label: "Label", prediction: "Prediction", residual: "label less prediction", threshold: "Threshold", window: "window",
  chartRows: "{0} rows are shown.", aboveThreshold: "{0} of them are above the threshold.", noSamples: "No rows have been sampled yet.",
  earlierResults: "Results of earlier runs:", results_append: "stay; go on behind them", results_new: "stay; write into a new file", results_replace: "are replaced", newFile: "Start into a new file",
  configuration: "Configuration", undo: "Undo", redo: "Redo", reallyLeave: "Leave this page? What is not saved is lost.", conflict: "Somebody else has changed this file",
  conflictHelp: "Since you opened it. Lines with - stand in the file now, lines with + in your text.", difference: "Difference", keepMine: "Save mine over it", takeTheirs: "Take the other text", goOnEditing: "Go on editing",
  numberColumns: "Number columns", textColumns: "Text columns", idColumn: "Column that identifies a row", ownColumns: "columns of its own", schemaHelp: "davis, found in the source (infer), or columns listed here",
  checkpointEvery: "Acknowledge every", columnsHelp: "names with commas between them; temp = a.b.c is read from a path", addSink: "Add a sink", removeSink: "Remove the sink", addSource: "Add a source", removeSource: "Remove the source", addTable: "Add a table", removeTable: "Remove the table", tablesHelp: "Rows summarised by key and window, right though rows come late, twice or corrected.",
  table_name: "letters, digits, _, - and .", table_input: "takes its rows after this step; raw if not given", table_key: "a line for each of their values", table_window: "such as 1h; one line a key for ever if not given",
  table_columns: "what is summarised; all other number columns if not given", table_aggregates: "count, sum, mean, min, max, std, median, p90, ~p99, distinct, outliers, completeness", table_upsert: "a row replaces the one before it with the same values here",
  "table_sink.url": "where changes go; a .csv or .parquet file gets the whole table at the end", table_time: "when a row was measured; dateTime if not given", table_hop: "a window begins every so often", table_interval: "how far apart the rows of a key should be, for completeness",
  table_delete: "a row that is not 0 here takes the one away that it would replace", table_retention: "windows go so long after their end, by the rows of their key", table_max_future: "rows dated further ahead of this machine's clock are dead letters; 10m if not given", table_late: "what becomes of a row whose window has gone", "table_reference.path": "a CSV file whose columns stand behind each line", "table_reference.key": "its column that equals a key", table_changes: "how changes are told",
};

const de = {
  projects: "Projekte", project: "Projekt", newProject: "Neues Projekt", name: "Name", broker: "Broker", client: "Client",
  topic: "Topic", state: "Zustand", methods: "Methoden", bucketSize: "Bucket-Größe", delay: "Verzögerung", workers: "Worker",
  details: "Details", actions: "Aktionen", start: "Starten", stop: "Anhalten", restart: "Neu starten", anew: "Von vorn beginnen", duplicate: "Kopieren",
  remove: "Löschen", edit: "Bearbeiten", save: "Speichern", filter: "Filtern", rowsPerSecond: "Zeilen/s", rho: "rho", p99: "p99",
  idle: "bereit", starting: "startet", running: "läuft", stopping: "hält an", connecting: "verbindet", disconnected: "getrennt", stalled: "steht", deleted: "Dieses Projekt wurde gelöscht.", noRows: "keine Zeilen", done: "fertig", failed: "fehlgeschlagen",
  create: "Anlegen", cancel: "Abbrechen", nameOfNew: "Name des Projekts (Buchstaben, Ziffern, - und _)", nameOfCopy: "Name der Kopie",
  reallyAnew: "{0} von vorn beginnen? Die Ergebnisse werden ersetzt, und was fertig war, wird vergessen.",
  reallyRemove: "Das Projekt {0} löschen, und was von seinen Läufen aufbewahrt ist? Seine Ergebnisse bleiben.", none: "Noch gibt es keine Projekte. Legen Sie mit Neues Projekt eines an, oder legen Sie eine Dataflow-Datei, NAME.toml, in den Ordner.",
  noMatch: "Kein Projekt passt zum Filter.", lost: "Die Verbindung zum Server ist verloren. Es wird erneut versucht.",
  signIn: "Anmelden", signOut: "Abmelden", user: "Benutzer", password: "Passwort", viewer: "Sie dürfen ansehen, aber nichts ändern.",
  source: "Quelle", sink: "Ziel", throughput: "Durchsatz", latencyOverTime: "Latenz über die Zeit",
  latencyCurve: "Latenz nach Perzentil", utilization: "Auslastung rho", waiting: "Wartende Nachrichten",
  dataflow: "Datenfluss", dataflowHelp: "Mittlere Bedienzeit je Nachricht, auf dem ersten Worker. ⇒: Nachrichten können von einem anderen Worker kommen.", deadLetters: "Unbrauchbare Zeilen", tooLate: "Zu spät", badCells: "Unlesbare Zellen",
  noLetters: "Keine Zeile wurde abgewiesen.", reason: "Grund", subtask: "Teilaufgabe", position: "Stelle", raw: "Rohdaten", results: "Letzte Ergebnisse",
  resultsHelp: "Die ersten Zeilen der Nachricht {0}: was ankam, und was die Kette daraus machte.", before: "Vorher", after: "Nachher",
  column: "Spalte", log: "Protokoll", report: "Bericht", noReport: "Ein Lauf schreibt seinen Bericht, wenn er endet.", noRun: "Dieses Projekt ist noch nicht gelaufen.",
  rowsIn: "Zeilen ein", rowsDone: "Zeilen fertig", dropped: "Entfernt", inFlight: "In Arbeit", queued: "In der Schlange", seconds: "Sekunden",
  messages: "Nachrichten", rows: "Zeilen", percentile: "Perzentil", planner: "Planer", behind: "Zeilen warten vor dem Datenfluss: es kommt mehr an, als die Worker bedienen, oder eine Datei wird so schnell gelesen, wie sie können.",
  plannerHelp: "Bei den Ankünften der letzten Sekunde und den Bedienzeiten dieses Laufs (G/G/c, Poisson-Ankünfte):",
  meanWait: "mittlere Wartezeit", toml: "TOML", form: "Formular", preview: "Vorschau", previewHelp: "Führt die Kette über bis zu 20 Zeilen der Quelle aus, oder über erzeugte.",
  runPreview: "Vorschau ausführen", testConnection: "Verbindung prüfen", connected: "Die Quelle hat nach {0} ms geantwortet.", propose: "Aus Nutzlasten vorschlagen", proposeHelp: "Sieht einige Nutzlasten der Quelle an und trägt Format, Pfade, Schema und Zeit ein", proposed: "Aus {0} Zeilen der Quelle gemacht.", proposedLate: "Die Datei hat sich inzwischen geändert: bitte noch einmal vorschlagen.", fromSource: "Zeilen der Quelle.",
  fromGenerator: "Die Quelle hatte rechtzeitig keine Zeilen: diese sind erzeugt.", rejectedRows: "Nicht lesbare Zeilen", addSubtask: "Teilaufgabe hinzufügen",
  up: "Nach oben", down: "Nach unten", removeSubtask: "Entfernen", dragHelp: "An eine andere Stelle ziehen", default: "Vorgabe", line: "Zeile",
  saved: "Gespeichert.", savedRunning: "Gespeichert. Der Lauf macht weiter wie begonnen; starten Sie ihn neu.", unsaved: "Noch nicht gespeichert.",
  title: "Name in Berichten", description: "Details", processes: "Prozesse", placement: "Verteilung", qos: "Dienstgüte (QoS)", login: "Anmeldung",
  maxPayload: "Längste Nutzlast (Bytes)", session: "Sitzung beim Broker behalten", connectTimeout: "Frist für die Verbindung", reconnectTimeout: "Frist für die Wiederverbindung", ca: "CA-Datei",
  certificate: "Client-Zertifikat", key: "Sein Schlüssel", parts: "Eine Datei je Prozess", properties: "Nachricht und Zeile als MQTT-5-Eigenschaften", buffer: "Puffer", deadLetter: "Unbrauchbare Zeilen nach", url: "Adresse",
  urlHelp: "mqtt://host:port/topic, eine Datei dieses Ordners, oder generate:rows=N", sinkHelp: "eine Datei .ndjson, .csv oder .parquet, mqtt://host:port/topic, oder null",
  schema: "Schema", notNumber: "Das ist keine Zahl.", notPairs: "Paare mit Kommas dazwischen, etwa ON = 1, OFF = 0.", notOneOf: "Es ist eines von: {0}.", other: "als Tabelle angegeben: siehe TOML", since: "seit", loading: "Lädt",
  parameters: "Parameter", sortBy: "Nach {0} sortieren", pause: "Diagramme anhalten", resume: "Weiter", passwordHelp: "ein Text; oder password.env oder password.file weiter unten sagt, wo es steht",
  workersHelp: "Threads je Prozess", full: "1: Worker ruhen nie", columns: "Spalten vorher und nachher", skip: "Zum Inhalt", missing: "fehlt", tables: "Tabellen", table: "Tabelle", tableHelp: "Die neuesten Zeitfenster, Stand Nachricht {0}",
  startingUp: "Der Lauf hat noch nichts gemeldet.",
  presentation: "Diagramme der Ergebnisse", chart: "Diagramm", chart_line: "Linie", chart_histogram: "Histogramm", chart_scatter: "Punkte", chart_labels: "Vorhersage neben Zielwert", chart_residuals: "Residuen", chart_threshold: "Werte und eine Schwelle",
  behindStep: "Schritt", over: "Über", row: "Zeile", label: "Zielwert", prediction: "Vorhersage", residual: "Zielwert minus Vorhersage", threshold: "Schwelle", window: "Fenster",
  chartRows: "{0} Zeilen sind gezeigt.", aboveThreshold: "{0} davon liegen über der Schwelle.", noSamples: "Noch sind keine Zeilen entnommen.",
  earlierResults: "Ergebnisse früherer Läufe:", results_append: "bleiben; dahinter weiterschreiben", results_new: "bleiben; in eine neue Datei schreiben", results_replace: "werden ersetzt", newFile: "In eine neue Datei starten",
  configuration: "Konfiguration", undo: "Rückgängig", redo: "Wiederholen", reallyLeave: "Diese Seite verlassen? Was nicht gespeichert ist, geht verloren.", conflict: "Jemand anderes hat diese Datei geändert",
  conflictHelp: "Seit Sie sie geöffnet haben. Zeilen mit - stehen jetzt in der Datei, Zeilen mit + in Ihrem Text.", difference: "Unterschied", keepMine: "Meinen darüber speichern", takeTheirs: "Den anderen Text nehmen", goOnEditing: "Weiter bearbeiten",
  numberColumns: "Zahlenspalten", textColumns: "Textspalten", idColumn: "Spalte, die eine Zeile bezeichnet", ownColumns: "eigene Spalten", schemaHelp: "davis, aus der Quelle (infer), oder hier genannte Spalten",
  checkpointEvery: "Bestätigen alle", columnsHelp: "Namen mit Kommas dazwischen; temp = a.b.c liest von einem Pfad", addSink: "Senke hinzufügen", removeSink: "Senke entfernen", addSource: "Quelle hinzufügen", removeSource: "Quelle entfernen", addTable: "Tabelle hinzufügen", removeTable: "Tabelle entfernen", tablesHelp: "Zeilen, nach Schlüssel und Zeitfenster zusammengefasst; richtig, auch wenn sie spät, doppelt oder berichtigt kommen.",
  table_name: "Buchstaben, Ziffern, _, - und .", table_input: "nimmt die Zeilen nach diesem Schritt; ohne Angabe raw", table_key: "eine Zeile für jeden ihrer Werte", table_window: "etwa 1h; ohne Angabe eine Zeile je Schlüssel für immer",
  table_columns: "was zusammengefasst wird; ohne Angabe alle anderen Zahlenspalten", table_aggregates: "count, sum, mean, min, max, std, median, p90, ~p99, distinct, outliers, completeness", table_upsert: "eine Zeile ersetzt die vorige mit gleichen Werten hier",
  "table_sink.url": "wohin Änderungen gehen; eine .csv- oder .parquet-Datei erhält am Ende die ganze Tabelle", table_time: "wann eine Zeile gemessen wurde; ohne Angabe dateTime", table_hop: "so oft beginnt ein Fenster", table_interval: "Abstand der Zeilen eines Schlüssels, für completeness",
  table_delete: "eine Zeile, die hier nicht 0 ist, nimmt die weg, die sie ersetzen würde", table_retention: "Fenster gehen so lange nach ihrem Ende, nach den Zeilen ihres Schlüssels", table_max_future: "Zeilen, die weiter vor der Uhr dieser Maschine liegen, sind unbrauchbar; ohne Angabe 10m", table_late: "was aus einer Zeile wird, deren Fenster gegangen ist", "table_reference.path": "eine CSV-Datei, deren Spalten hinter jeder Zeile stehen", "table_reference.key": "ihre Spalte, die einem Schlüssel gleicht", table_changes: "wie Änderungen erzählt werden",
};

const german = navigator.language.toLowerCase().startsWith("de");
export const language = german ? "de" : "en";
const words = german ? de : en;

export function t(key, ...values) {
  return values.reduce((text, value, index) => text.replace(`{${index}}`, value), words[key] ?? key);
}

const plain = new Intl.NumberFormat(language, { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });

export const number = (value) => (value >= 1000 ? whole : plain).format(value);

// Nanoseconds in the unit that suits them.
export function time(ns) {
  if (ns < 1e3) return `${plain.format(ns)} ns`;
  if (ns < 1e6) return `${plain.format(ns / 1e3)} µs`;
  if (ns < 1e9) return `${plain.format(ns / 1e6)} ms`;
  return `${plain.format(ns / 1e9)} s`;
}

export const clock = (ms) => new Date(ms).toLocaleString(language);
