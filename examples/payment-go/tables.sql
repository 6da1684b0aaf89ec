-- The tables of the demo's payment, and two for reviews.
CREATE TABLE IF NOT EXISTS accounts (account text PRIMARY KEY, card_limit bigint NOT NULL);
CREATE TABLE IF NOT EXISTS charges (charge_id text PRIMARY KEY, account text NOT NULL, order_id text NOT NULL,
    amount bigint NOT NULL, reason text NOT NULL, state text NOT NULL);
CREATE TABLE IF NOT EXISTS effect_ledger (saga_id text NOT NULL, step text NOT NULL, kind text NOT NULL,
    run integer NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS demo_faults (saga_id text, step text, fault integer, times integer NOT NULL,
    PRIMARY KEY (saga_id, step, fault));
CREATE TABLE IF NOT EXISTS reviews (saga_id uuid, step text, run integer, due_at timestamptz NOT NULL,
    PRIMARY KEY (saga_id, step, run));
CREATE TABLE IF NOT EXISTS late_answers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, answer jsonb NOT NULL);
