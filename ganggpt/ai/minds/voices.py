"""How people talk: for each style its forms of address, openings, closings and lines of its own.

Tables as in ``lines``. The keys ``you``, ``open`` and ``tail`` are parts of a sentence; any other key is an act.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ganggpt.ai.minds.lines import table

PLAIN: Final = "plain"
_SAMPLES_MAX: Final = 5

VOICES: Final[Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]]] = {
    PLAIN: table("""
        you warm: my friend | friend
        you even: friend | stranger
        you cold: stranger | you there
        open warm: Listen. | You know what? | Ah. | Right. | Well now.
        open warm: Oh, well. | See here. | I tell you. | Sure. | My, my. | Come on. | Here it is. | Good. | Honestly.
        open even: Listen. | Well. | So. | Look. | Hm.
        open even: Mm. | All right. | Fine. | Let me see. | Right. | See here. | I tell you. | Okay. | Now then.
        open cold: Look. | Enough. | So. | Hm. | Listen.
        open cold: Fine. | Pah. | All right. | Right. | Now look. | Tss. | See here. | Spare me. | Oh, please.
        tail warm: That is the truth. | Believe me. | You know where to find me.
        tail even: That is how it is. | Such is {place}. | Anyway.
        tail cold: That is all. | Now go. | Enough said.
    """),
    "street": table("""
        you warm: homie | my friend | champ
        you even: player | homie | boss
        you cold: clown | tough guy | chump
        open warm: Yo. | Ayy. | For real. | Check it. | You know what it is.
        open warm: Ay. | No doubt. | Word up. | Look. | Bet. | Aw, man. | My my. | Damn. | True.
        open even: Yo. | Look. | A'ight. | Check it. | Straight up.
        open even: Man. | Aight, look. | Listen. | Bet. | Yo, hold up. | Shoot. | Okay, okay. | Mm. | Facts.
        open cold: Nah. | Man. | Step back. | Tss. | Look here.
        open cold: Pff. | Whatever. | Chill. | Please. | Bruh. | Yo. | Get real. | Listen. | Tch.
        tail warm: Real talk. | You my people. | Stay up out there.
        tail even: That's how it goes round {place}. | Just saying. | Know what I mean?
        tail cold: Keep it moving. | Don't test me. | We done here?
        greet warm: Yo, my favourite face in {place}! | Ayy, {you}, where you been hiding?
        greet even: Sup, {you}. You lost or you looking? | What's good? You need something off this corner?
        greet cold: You got some nerve rolling up here. | Nah. Keep walking, {you}.
        answer warm: I feel you, {you}. | That's real, I respect it.
        answer even: I hear that. | Word. The block been talking too.
        answer cold: Cool story, {you}. | You done running your mouth?
        thank any: {Item}? That's love right there. | Damn fine of you. {Item}, huh.
        afraid any: Whoa, whoa, easy with that! We cool, we cool! | Chill! You can have it, just chill!
        defiant any: You pulling that on my block? For real? | Ha. You ain't built for this, {you}.
        offer_work any: Got something for you: "{title}". {Task} {reward}, cash, no questions.
        offer_work any: Easy money, {you}: "{title}". {Task} {reward}.
        obey any: Say less. {Order}. | I got you. {Order}.
        refuse_order any: Hell no. {Order}? You tripping. | Nah, {you}, I ain't doing that.
        remember any: Hold up, I know this one. | Man, I don't forget nothing.
        no_memory any: Ain't ringing no bells. | Who you again?
        bye any: Stay safe out there, {you}. | Peace. | Catch you on the block.
        insulted any: Say that to my face again, {you}. | You got jokes, huh?
        how_are_you any: Hustling, same as ever. | Can't complain, nobody listens anyhow.
    """),
    "polite": table("""
        you warm: dear friend | my dear
        you even: good sir or madam | my dear guest
        you cold: visitor | whoever you are
        open warm: How lovely. | If I may say so. | I am so pleased. | Do sit down. | My goodness.
        open warm: Ah. | Well now. | Oh, gladly. | Indeed. | Dear me. | Of course. | How kind. | But yes.
        open even: If I may. | Pardon me. | Certainly. | Let me see. | One moment.
        open even: Well. | Hm. | Indeed. | I see. | Ah. | Very well. | Naturally. | Quite. | If you please.
        open cold: With respect. | I must insist. | Excuse me. | Really now. | I beg your pardon.
        open cold: Indeed. | Please. | Well. | I see. | Quite. | Must we? | Ahem. | Very well. | How tiresome.
        tail warm: It is always a pleasure. | Do come again. | You are very kind.
        tail even: I hope that helps. | I trust that will do. | One does what one can.
        tail cold: I would thank you to leave now. | That will be all. | Good day.
        greet warm: Good day to you, {you}! How very nice to see you. | What a pleasure to have you back in {place}.
        greet even: Good day. How may I be of service? | Welcome to {place}. What can I do for you?
        greet cold: Good day. I am afraid I am rather busy. | Oh. It is you. How unfortunate.
        thank any: {Item}, how very thoughtful of you. | You really should not have. {Item}! Thank you.
        afraid any: Please, let us be reasonable about this. | Oh dear, oh dear. There is no need for violence.
        defiant any: I am afraid I do not respond to that tone. | How very rude. I shall not be moved.
        offer_work any: Might I trouble you with something? "{title}". {Task} I can offer {reward}.
        offer_work any: I would be obliged if you saw to "{title}". {Task} The fee is {reward}.
        obey any: At once. {Order}. | With pleasure: {order}.
        refuse_order any: I must decline. {Order} is out of the question. | Forgive me, but I cannot do that.
        remember any: I recall it quite clearly. | One does not forget such a thing.
        no_memory any: Forgive me, I do not believe I recall. | I am terribly sorry, it escapes me.
        bye any: Good day to you. | Farewell, and mind the step.
        insulted any: I shall overlook that remark. Once. | How very disappointing.
        how_are_you any: Quite well, thank you for asking. | One mustn't grumble.
    """),
    "gruff": table("""
        you warm: kid | partner
        you even: kid | pal
        you cold: pal | bub
        open warm: Heh. | Hrm. | Yeah, yeah. | Sit. | Huh.
        open warm: Ha. | Sure. | Yep. | Look. | Mm. | Right. | Eh. | Well. | Okay.
        open even: Hrm. | Yeah. | What. | Huh. | Spit it out.
        open even: Eh. | Look. | Mm. | Yep. | Right. | Okay. | Pff. | Well. | Listen.
        open cold: Tch. | Bah. | No. | Back off. | Hrm.
        open cold: Pff. | Nah. | Look. | What now. | Enough. | Hah. | Listen. | Eh. | Right.
        tail warm: Don't tell anybody I said that. | You're not the worst. | Now let me work.
        tail even: That's it. | Don't make me repeat it. | Work's waiting.
        tail cold: Beat it. | Door's there. | I'm done talking.
        greet warm: Hrm. You. Good. | Thought I smelled trouble. Pull up a crate, {you}.
        greet even: What. | Talk or walk, {you}. | Busy. Make it quick.
        greet cold: Get lost. | Not you. Not today.
        answer any: Huh. | Hrm. Heard worse. | If you say so, {you}.
        thank any: {Item}. Hrm. Fine. Thanks. | Huh. {Item}. Didn't have to do that.
        afraid any: Hey. Hey! Easy. You win. | All right, damn it. Put it down.
        defiant any: I've had hangovers scarier than you. | Try it. See what's left of you.
        offer_work any: Job. "{title}". {Task} {reward}. Yes or no.
        offer_work any: Need hands for "{title}". {Task} {reward}. Don't botch it.
        obey any: Yeah, yeah. {Order}. | Fine. {Order}.
        refuse_order any: No. | {Order}? Forget it. | Not a chance, {you}.
        remember any: Yeah. I remember. | My back's gone, not my head.
        no_memory any: Nope. | Don't know. Don't care.
        bye any: Yeah. Go on. | Hrm. Don't get shot.
        insulted any: Big mouth on you. | Keep it up, see what happens.
        how_are_you any: Breathing. | My knee hurts. Rain's coming.
    """),
    "nervous": table("""
        you warm: my friend | friend
        you even: um, friend | my friend
        you cold: please | look
        open warm: Oh! Oh, good, it's you. | Phew. | Okay, okay. | Quick, come in. | Ah, hi, hi.
        open warm: Whew. | Yes, yes. | Right, right. | Oh, thank you. | Ha, um. | Well. | So, um. | Oh, okay.
        open even: Um. | Oh! You startled me. | Okay, okay. | Did anyone follow you? | Uh, well.
        open even: Wait. | So, um. | Right. | Er. | Hm, hm. | I mean. | Yes, yes. | Listen. | Oh.
        open cold: Oh no. | Please. | Not again. | I, uh. | Look, look.
        open cold: Er. | No, no. | Um. | Wait. | God. | Okay. | Shh. | Listen. | Oh, please.
        tail warm: I feel safer with you around. | Stay a little, will you? | Is somebody behind me?
        tail even: You didn't hear that from me. | Can we talk somewhere else? | Was that a siren?
        tail cold: Please just go. | I don't want to be seen with you. | I'm leaving now.
        greet warm: Oh thank heavens, a kind face in {place}. | Hi! Hi. Sorry. I thought you were someone else.
        greet even: Y-yes? What is it? | Hello? Do I know you? I don't owe you anything, do I?
        greet cold: Oh no. Not you, please. | I, I was just leaving, honestly.
        answer any: Right, right, of course. | Okay. I mean, sure. I suppose. | Shh, not so loud!
        thank any: {Item}? For me? Is it, um, is it stolen? Thank you!
        thank any: Oh! {Item}! Thank you, thank you, put it away quick.
        afraid any: Please please please don't! | Aah! Okay! Whatever you want! Just don't shoot!
        defiant any: N-no. No! I won't. Not this time! | I'm shaking, but the answer is still no.
        offer_work any: Could you, um, do something for me? "{title}". {Task} I can pay {reward}.
        offer_work any: It's "{title}", and I can't do it alone. {Task} {reward}, okay?
        obey any: Okay, okay! {Order}! | Um, yes, {order}, going, going.
        refuse_order any: I can't! {Order}? I just can't! | No, no, no. Look at my hands. No.
        remember any: I remember everything, I never sleep. | Yes! Yes, I remember, I wrote it down.
        no_memory any: I'm sorry, I'm all over the place, I don't remember. | Was that me? I don't think that was me.
        bye any: Okay, bye, use the back door! | Bye! Don't tell anyone I was here!
        insulted any: That's, that's not very nice. | Why would you say that? Who told you to say that?
        how_are_you any: I haven't slept. Do I look like I've slept? | Fine! Totally fine. Why, what have you heard?
    """),
    "flirty": table("""
        you warm: darling | gorgeous | sweetheart
        you even: handsome stranger | sugar | darling
        you cold: heartbreaker | sugar
        open warm: Mmm. | Oh, you. | Come here and listen. | Well, hello again. | Careful, I might blush.
        open warm: Oh, darling. | Mm-hm. | Ha. | Well. | Look at you. | Sweet. | Ooh. | Aw. | My, my.
        open even: Well, well. | Ooh. | Tell me more. | Hm, let me look at you. | Is that so?
        open even: Mm. | Ha. | Oh? | Darling. | My, my. | Sugar. | Listen. | Oh, please. | Cute.
        open cold: Oh, honey. | Please. | How charming. | Not tonight. | Mm, no.
        open cold: Ha. | Ugh. | Really? | My, my. | Cute. | Tsk. | Well, well. | Darling, no. | Oh, please.
        tail warm: Don't be a stranger. | You do brighten up {place}. | Save me a dance.
        tail even: Wink if you understand. | I say that to everybody. Almost. | Buy me a coffee some time.
        tail cold: You lost your chance. | Blow a kiss and go. | That smile won't save you.
        greet warm: There's my favourite trouble, {you}. | I was just thinking of you, and here you are.
        greet even: Now who let someone so good-looking into {place}? | Hello there. Looking for me, I hope?
        greet cold: You again. And I wore my good shoes. | Don't you smile at me after last time.
        flattered any: Stop it. No, go on. | You say the sweetest things, {you}.
        thank any: {Item}! You do know the way to my heart. | For little me? {Item}? Come here, you.
        afraid any: Hey, hey, easy, {you}. I bruise like a peach. | Okay! You have my full attention. Put it down?
        defiant any: Is that how you ask for a dance? No. | Cute. Does that work on anybody?
        offer_work any: Do something for me, would you? "{title}". {Task} {reward}, and my gratitude.
        offer_work any: I need somebody brave for "{title}". {Task} {reward}. Interested?
        obey any: Anything for you. {Order}. | When you ask like that: {order}.
        refuse_order any: Not even for those eyes. | {Order}? Sweetheart, no.
        remember any: How could I forget a thing like that? | Oh, I think of it often.
        no_memory any: I would remember you, wouldn't I? | So many faces, and yet not that one.
        bye any: Leaving so soon? | Blow me a kiss on your way out.
        insulted any: Such an ugly thing from such a pretty mouth. | Ooh, claws.
        how_are_you any: Better now that I have something nice to look at. | Lonely, since you ask.
    """),
    "official": table("""
        you warm: citizen | my good citizen
        you even: citizen | resident
        you cold: citizen | the individual in front of me
        open warm: For the record. | Noted with pleasure. | Very well. | In confidence. | Unofficially.
        open warm: Good. | Understood. | Approved. | Certainly. | Right. | In order. | Correct. | Duly noted. | Granted.
        open even: For the record. | Noted. | Very well. | Let me state this clearly. | According to procedure.
        open even: Right. | Understood. | Correct. | Attention. | In order. | Proceed. | Duly noted. | Well.
        open cold: Let the record show. | Final notice. | Negative. | Be advised. | Step back from the desk.
        open cold: Denied. | Attention. | Stop. | Noted. | Incorrect. | Warning. | Silence. | Right. | Understood.
        tail warm: Consider it filed under favours. | The city thanks you. | Keep up the good conduct.
        tail even: Please keep that on file. | This will be noted. | Have your papers ready next time.
        tail cold: This conversation is over. | Your file grows. | Move along.
        greet warm: Welcome back, {you}. Your file speaks well of you.
        greet warm: Good day. Always time for a law-abiding face in {place}.
        greet even: State your business. | Good day, {you}. Name and purpose of visit? | Next. What is it about?
        greet cold: You are not on today's list. | Your name is known here, and not for the right reasons.
        answer any: Your statement is noted. | I will include that in the report. | Understood. Anything further?
        thank any: {Item}. This is not a bribe, I trust. Thank you.
        thank any: I shall register {item} as a donation. Much obliged.
        afraid any: Stand down! I will cooperate. | There is no need to escalate. I am complying.
        defiant any: Threatening an official carries a sentence.
        defiant any: That will go in the report, in full. I am not moving.
        offer_work any: There is an assignment: "{title}". {Task} Remuneration: {reward}.
        offer_work any: Form seven, "{title}". {Task} {reward} on completion. Sign here.
        obey any: Order confirmed: {order}. | Acknowledged. {Order}.
        refuse_order any: Request denied: {order}. | That exceeds my mandate.
        remember any: It is on record. | I have the entry before me.
        no_memory any: There is no entry to that effect. | The record is silent on that.
        bye any: You may go. | This concludes our business.
        insulted any: Insulting an official is an offence. I am writing it down. | Mind your language at this desk.
        how_are_you any: Operational. | The office has no complaints at this time.
    """),
    "old-timer": table("""
        you warm: youngster | my young friend
        you even: youngster | young one
        you cold: whippersnapper | young fool
        open warm: Ah, bless you. | Heh heh. | Pull up a chair. | In my day we had time to talk. | Let me tell you.
        open warm: Ah. | Well, well. | My dear. | Oh ho. | Listen. | Mm-hm. | Good soul. | Yes, yes. | Now then.
        open even: Things were different once. | Eh? | Well, let me see. | Hm, my knees. | You know what.
        open even: Ah. | Mm-hm. | Now then. | Well. | Hm. | So, so. | Listen. | Yes, yes. | Oh dear.
        open cold: Bah. | In my day you would have been taught manners. | Pfft. | Listen here. | Young people.
        open cold: Hmph. | No respect. | Eh. | Tut. | Well. | Ach. | Hm. | Go away. | Listen.
        tail warm: You remind me of somebody I lost. | Stay a while, the stories are free.
        tail warm: Eat something, you are thin.
        tail even: This used to be a nice street. | They do not build {place} like that any more. | Mark my words.
        tail cold: Get off my step. | I have outlived better than you. | Shoo.
        greet warm: Well, if it isn't my favourite youngster! | Come, come, sit with an old soul in {place}.
        greet even: Eh? Speak up, my ears are older than you. | I have watched {place} for fifty years. You are new.
        greet cold: Oh, it's the troublemaker. | I may be old, but I know a bad apple.
        answer any: I have heard that one before, in a better decade. | So it goes, so it goes.
        answer any: You will see it differently at my age.
        thank any: {Item}! Nobody has given me such a thing in years.
        thank any: Bless you. {Item}. My late wife would have liked you.
        afraid any: Mercy, my heart is not what it was! | Take it, take it, I am too old to run.
        defiant any: I faced worse before your parents met. | Go on, then. I have had a long life.
        offer_work any: My legs are done, so you do it: "{title}". {Task} {reward} from the old tin.
        offer_work any: There is an old matter, "{title}". {Task} It is worth {reward} to me.
        obey any: These bones still move. {Order}. | As in the old days: {order}.
        refuse_order any: I did not get this old by doing that. | {Order}? At my age? No.
        remember any: My memory is long, youngster. | As clear as yesterday.
        no_memory any: It must have gone with my hair. | I remember the flood, but not that.
        bye any: Go on, the young have no time. | Mind the traffic, it killed my cousin.
        insulted any: My mother would have washed your mouth. | I have been called worse by better.
        how_are_you any: Everything hurts, so I must be alive. | I woke up. At my age that is good news.
    """),
    "cheerful": table("""
        you warm: sunshine | my friend | superstar
        you even: neighbour | my friend
        you cold: grumpy | neighbour
        open warm: Ha! | Oh, wonderful! | Guess what! | Yes! | What a day!
        open warm: Hey! | Great! | Aw! | Lovely! | Hooray! | Oh my! | Super! | Well! | Look!
        open even: Hey hey! | Oh! | Sure thing! | Let's see! | Hello!
        open even: Ha! | Right! | Okay! | Good one! | Well! | Look! | Great! | Ooh! | So!
        open cold: Oh well. | Hm! | Now, now. | Come on. | Ouch!
        open cold: Aw. | Hey! | Whoa! | Oof! | Please! | Hm. | Wow! | So. | Well!
        tail warm: You always cheer me up! | High five! | Isn't {place} great?
        tail even: Smile, it's free! | Chin up! | Onwards!
        tail cold: Even I have limits. | Go find some sunshine. | Not cool.
        greet warm: Hey hey, {you}! You're back! | Best part of my day, right here!
        greet even: Hello, hello! Welcome to {place}! | Hi there! What can I do for you?
        greet cold: Oh. Hi. I was having such a good day. | Hello. I'm smiling, but only out of habit.
        answer any: I love it! | That's something, isn't it? | Good to know, really!
        thank any: {Item}! Oh, you shouldn't have! But I'm glad you did! | Woohoo, {item}! Thank you!
        afraid any: Okay, okay, not funny any more! | Hey, let's all calm down, please!
        defiant any: Nope! Not today, not ever! | You can't scare the happy out of me!
        offer_work any: I've got something fun: "{title}"! {Task} {reward} for you!
        offer_work any: Want an adventure? "{title}"! {Task} It's {reward}!
        obey any: On my way! {Order}! | Yes! {Order}, let's go!
        refuse_order any: Ooh, no, sorry! Not that! | {Order}? I'd rather not, honestly!
        remember any: Oh, I remember that! | How could I ever forget!
        no_memory any: Hm! Nothing! Blank as a beach! | I don't think so, but let's make a memory now!
        bye any: Bye bye! Have a great one! | See you soon, I hope!
        insulted any: Hey, that wasn't nice! | I'll pretend that was a joke!
        how_are_you any: Fantastic! Ask me again tomorrow! | Great, and even better for being asked!
    """),
    "deadpan": table("""
        you warm: friend | you of all people
        you even: person | friend
        you cold: person | you
        open warm: Joy. | Look at that. | Remarkable. | I am almost moved. | Fine.
        open warm: Well. | Good. | Noted. | Marvellous. | Yes. | Delightful. | So. | Oh. | Amazing.
        open even: Right. | Remarkable. | Great. | Fascinating. | Sure.
        open even: Well. | Noted. | Yes. | So. | Mm. | Splendid. | Oh. | Okay. | Indeed.
        open cold: Wow. | No. | Thrilling. | How original. | Sigh.
        open cold: Great. | Fine. | Noted. | Lovely. | Mm. | Yes. Well. | Charming. | Oh. | Splendid.
        tail warm: I would smile, but you know me. | That was affection. | Do not make it weird.
        tail even: Try not to applaud. | Living the dream. | It is what it is.
        tail cold: I will treasure this moment. Not. | We should never do this again. | Riveting.
        greet warm: You. I am, as you see, overjoyed. | Oh good. Somebody I can stand.
        greet even: A visitor. In {place}. My day is complete. | Yes. This is me, listening.
        greet cold: I was hoping for an earthquake, but fine. | You. Of course.
        answer any: Noted, framed and hung on the wall. | I will alert the papers.
        answer any: And here I thought it was a slow day.
        thank any: {Item}. Contain my excitement. No, really, thank you.
        thank any: You brought {item}. I may have a feeling about that.
        afraid any: I see. I would rather not die on a weekday. | Fine. You are frightening. Congratulations.
        defiant any: Terrifying. Next. | I am shaking. It is the cold.
        offer_work any: Your lucky day: "{title}". {Task} {reward}. Try to survive it.
        offer_work any: "{title}". {Task} {reward}. The glamour never ends.
        obey any: I live to serve. {Order}. | {Order}. What could go wrong.
        refuse_order any: Tempting. No. | {Order}. I would rather watch paint dry.
        remember any: It is burned into my mind. Lucky me. | I remember. I remember all of it.
        no_memory any: Nothing. It is peaceful in there. | I must have filed that under unimportant.
        bye any: I will count the minutes. | Goodbye. That was almost fun.
        insulted any: Devastating. I may never recover. | Did you practise that?
        how_are_you any: Alive. Allegedly. | On top of the world. It is a small world.
    """),
}

_ALIKE: Final[Mapping[str, str]] = {
    "old-timer": "oldtimer old elder wise nostalgic",
    "polite": "formal elegant refined",
    "flirty": "smooth charming flirty-but-clean",
    "gruff": "rough blunt terse",
    "deadpan": "cold dry sarcastic",
    "nervous": "anxious jittery paranoid",
    "official": "bureaucratic military cop",
    "cheerful": "happy bubbly warm",
    "street": "slang hood gangster",
}
ALIASES: Final[Mapping[str, str]] = {alias: style for style, words in _ALIKE.items() for alias in words.split()}
"""Other names of styles."""


def sample_lines(style: str) -> tuple[str, ...]:
    """Some lines as people of a style say them, without what is filled in; the same each time."""
    voice = VOICES.get(ALIASES.get(style, style), VOICES[PLAIN])
    found = [voice["open"]["even"][0]]
    for act in ("answer", "how_are_you", "bye", "insulted", "no_memory"):
        lines = (voice.get(act) or {}).get("even", ())
        found += [line for line in lines if "{" not in line][:1]
    return tuple(found[:_SAMPLES_MAX])
